/** One attempt to open the tunnel: TCP, SSH with the pinned host key and our own key, the subsystem, hello and welcome. */
import type { Client } from "ssh2";
import { FrameType, ResetCode, SUBSYSTEM, type RequestHead } from "../../edge/wire/frames.ts";
import { GoAway, Refused, Reply, Status, Welcome, type Call, type Hello } from "../../edge/wire/messages.ts";
import { SshChannel } from "../../edge/transport/channel.ts";
import { SSH2_WINDOW, type SshConnection } from "../../edge/transport/connection.ts";
import { Mux, MUX_CHANNEL_WINDOW } from "../../edge/transport/mux.ts";
import { AiryError, type ErrorCode } from "../errors.ts";
import { inertText } from "../io/inert.ts";
import type { RequestStream } from "./forward.ts";
import { DEADLINE_MS, login, reasonOf } from "./login.ts";
import { faultInUrl } from "./public-url.ts";
import type { EdgeAddress, Login } from "./types.ts";

/** Requests that are open at once: an edge has 1,000 in flight (edge/index.ts), held ones included. */
const MAX_OPEN = 1_024;
/** Characters of a request's head: an edge takes 32 KB of one (edge/ingress/server.ts), and adds a few lines. */
const MAX_HEAD = 64 * 1024;
/** Refusals that pass by themselves. */
const PASSING = new Set(["EDGE_STOPPING", "EDGE_FAILED", "TOO_MANY_TUNNELS"]);

export interface ConnectOptions {
  edge: EdgeAddress;
  /** `ssh-ed25519 AAAA...`; null: any, to be pinned by the caller. */
  hostKey: string | null;
  /** Where that key is pinned, for the error text. */
  hostKeyFile: string | null;
  identity: Login;
  hello: Hello;
  onRequest: (stream: RequestStream, head: RequestHead) => void;
  onGoAway: (goAway: GoAway) => void;
  onStatus: (status: Status) => void;
  onPong: (roundTripMs: number) => void;
  /** After the welcome: the connection is gone. */
  onClose: (error: Error | null) => void;
  signal: AbortSignal;
}

export interface Connected {
  mux: Pick<Mux, "ping" | "closed" | "streams" | "send" | "end">;
  /** Asks the edge about this tunnel; rejects when the connection goes first. */
  call: (method: Call["method"]) => Promise<unknown>;
  connection: SshConnection;
  /** The identifier is null where the name is somebody else's to give. */
  welcome: { url: string; identifier: string | null };
  /** What the edge showed, `ssh-ed25519 AAAA...`. */
  hostKey: string;
  /** IP address of the edge; empty behind a proxy, which is on the way to the internet. */
  address: string;
}

/** Throws AiryError SSH_UNREACHABLE, HOST_KEY_CHANGED, SSH_AUTH, NAME_TAKEN or EDGE_REFUSED. */
export async function connect(options: ConnectOptions): Promise<Connected> {
  const edge = `${options.edge.host}:${options.edge.port}`;
  const unreachable = (error: unknown) => new AiryError("SSH_UNREACHABLE", { edge, reason: reasonOf(error) });
  const { client, connection, hostKey, address } = await login({
    ...options,
    username: "airy",
    keys: [options.identity],
    algorithms: {
      kex: ["curve25519-sha256", "curve25519-sha256@libssh.org"],
      serverHostKey: ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"],
      cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"],
    },
  });
  const abort = () => connection.destroy(new Error("stopped"));
  options.signal.addEventListener("abort", abort, { once: true });
  try {
    const channel = await openChannel(client, connection).catch((error: unknown) => {
      if (connection.ended) throw unreachable(error);
      throw new AiryError("EDGE_REFUSED", { edge, code: "NOT_AN_EDGE", reason: reasonOf(error) });
    });
    const greeted = await greet(channel, connection, options, edge);
    const { url, identifier } = greeted.welcome;
    const reason = faultInUrl({ url, identifier, edgeHost: options.edge.host, edgeAddress: address });
    if (reason !== null) throw new AiryError("EDGE_REFUSED", { edge, code: "FOREIGN_URL", reason });
    return { ...greeted, connection, hostKey, address };
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    options.signal.removeEventListener("abort", abort);
  }
}

function openChannel(client: Client, connection: SshConnection): Promise<SshChannel> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => connection.destroy(new Error(`no channel within ${DEADLINE_MS / 1000} s`)), DEADLINE_MS);
    connection.onClose((error) => {
      clearTimeout(timer);
      reject(error ?? new Error("the edge closed the connection"));
    });
    client.subsys(SUBSYSTEM, (error, original) => {
      clearTimeout(timer);
      if (error) reject(error);
      else
        resolve(
          new SshChannel(connection, original as unknown as ConstructorParameters<typeof SshChannel>[1], SSH2_WINDOW, MUX_CHANNEL_WINDOW),
        );
    });
  });
}

function greet(
  channel: SshChannel,
  connection: SshConnection,
  options: ConnectOptions,
  edge: string,
): Promise<Pick<Connected, "mux" | "call"> & { welcome: Welcome }> {
  return new Promise((resolve, reject) => {
    let welcomed = false;
    const calls = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
    let lastCall = 0;
    const call: Connected["call"] = (method) =>
      new Promise((resolveCall, rejectCall) => {
        lastCall += 1;
        calls.set(lastCall, { resolve: resolveCall, reject: rejectCall });
        mux.send(FrameType.CALL, { id: lastCall, method } satisfies Call);
        if (mux.closed) rejectCall(new Error("the tunnel is not open"));
      });
    const timer = setTimeout(
      () => reject(new AiryError("SSH_UNREACHABLE", { edge, reason: "the edge did not welcome this client" })),
      DEADLINE_MS,
    );
    const mux = new Mux(
      channel,
      {
        onRequest: (stream, head) => {
          connection.busy();
          // An edge that keeps to its own limits never gets there.
          if (mux.streams > MAX_OPEN || sizeOf(head) > MAX_HEAD) stream.reset(ResetCode.REFUSED);
          else options.onRequest(stream, head);
        },
        onPong: options.onPong,
        onMessage: (type, payload) => {
          const message: unknown = JSON.parse(payload.toString("utf8"));
          if (type === FrameType.WELCOME) {
            const welcome = Welcome.parse(message); // what is none ends the attempt, like every other nonsense before it
            welcomed = true;
            clearTimeout(timer);
            resolve({ mux, call, welcome });
          } else if (type === FrameType.REFUSED) {
            clearTimeout(timer);
            reject(refusalOf(Refused.parse(message), edge, options.hello.name));
          } else if (type === FrameType.GOAWAY) options.onGoAway(GoAway.parse(message));
          else if (type === FrameType.STATUS) options.onStatus(Status.parse(message));
          else if (type === FrameType.REPLY) {
            const { id, result } = Reply.parse(message);
            calls.get(id)?.resolve(result);
            calls.delete(id);
          }
        },
        onClose: (error) => {
          clearTimeout(timer);
          for (const { reject: rejectCall } of calls.values()) rejectCall(new Error("the tunnel was lost"));
          if (welcomed) options.onClose(error ?? connection.error);
          else reject(new AiryError("SSH_UNREACHABLE", { edge, reason: reasonOf(error ?? connection.error) }));
        },
      },
      (error) => connection.destroy(error),
    );
    connection.ping = () => mux.ping();
    mux.send(FrameType.HELLO, options.hello);
  });
}

function refusalOf(refused: Refused, edge: string, name: string | null): AiryError {
  const reason = inertText(refused.message);
  if (PASSING.has(refused.code)) return new AiryError("SSH_UNREACHABLE", { edge, reason });
  const code: ErrorCode = refused.code === "NAME_TAKEN" ? "NAME_TAKEN" : "EDGE_REFUSED";
  return new AiryError(code, { edge, code: inertText(refused.code), reason, name });
}

function sizeOf({ target, headers }: RequestHead): number {
  return headers.reduce((sum, part) => sum + part.length, target.length);
}
