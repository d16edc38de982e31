/** One attempt to log in to an SSH server: TCP (through a proxy where there is one), the pinned host key, our own key. */
import { timingSafeEqual } from "node:crypto";
import type net from "node:net";
import ssh2, { type Algorithms, type Client } from "ssh2";
import { fingerprintOf } from "../../edge/names/identifier.ts";
import { SshConnection } from "../../edge/transport/connection.ts";
import { AiryError } from "../errors.ts";
import { dial, dialThrough, proxyFor } from "../io/dial.ts";
import { inertText } from "../io/inert.ts";
import { joinSignals } from "../io/signals.ts";
import type { EdgeAddress, Login } from "./types.ts";

/** For TCP, for the SSH login, for the channel and for the edge's welcome, each. */
export const DEADLINE_MS = 10_000;
/** For TCP, where there is another port to try. */
const NEXT_PORT_MS = 3_000;

export interface LoginOptions {
  edge: EdgeAddress;
  /** `ssh-ed25519 AAAA...`; null: any, to be pinned by the caller. */
  hostKey: string | null;
  /** Where that key is pinned, for the error text. */
  hostKeyFile: string | null;
  username: string;
  /** Tried in turn. */
  keys: readonly Login[];
  algorithms: Algorithms;
  /** What the server says before the login. */
  onBanner?: (text: string) => void;
  signal: AbortSignal;
}

export interface LoggedIn {
  client: Client;
  connection: SshConnection;
  /** What the server showed, `ssh-ed25519 AAAA...`. */
  hostKey: string;
  /** IP address of the server; empty behind a proxy, which is on the way to the internet. */
  address: string;
}

/** Throws AiryError SSH_UNREACHABLE, HOST_KEY_CHANGED or SSH_AUTH. */
export async function login(options: LoginOptions): Promise<LoggedIn> {
  const edge = `${options.edge.host}:${options.edge.port}`;
  const unreachable = (error: unknown) => new AiryError("SSH_UNREACHABLE", { edge, reason: `${through}${reasonOf(error)}` });
  let through = "";
  const { socket, address, port } = await reach(options).catch((error: unknown) => {
    throw unreachable(error);
  });
  if (port !== options.edge.port) through = `port ${options.edge.port} does not answer, and on port ${port}: `;
  const client = new ssh2.Client();
  let shown = "";
  let changed = false;
  const ready = new Promise<void>((resolve, reject) => {
    client.once("ready", resolve);
    client.once("error", (error: Error & { level?: string }) => {
      if (changed)
        reject(
          new AiryError("HOST_KEY_CHANGED", {
            edge,
            expected: fingerprint(options.hostKey ?? ""),
            got: fingerprint(shown),
            file: options.hostKeyFile,
          }),
        );
      else if (error.level === "client-authentication") reject(new AiryError("SSH_AUTH", { edge, reason: error.message }));
      else reject(unreachable(error));
    });
    client.once("close", () => reject(unreachable(new Error("the edge closed the connection"))));
  });
  if (options.onBanner) client.on("banner", options.onBanner);
  client.connect({
    sock: socket,
    username: options.username,
    // These methods only: ssh2 would try "none" first, a round trip for nothing. (Its types know only the names of methods.)
    authHandler: options.keys.map((key) => authMethod(options.username, key)) as unknown as "publickey"[],
    hostVerifier: (key: Buffer) => {
      shown = `${typeOf(key)} ${key.toString("base64")}`;
      changed = options.hostKey !== null && !same(options.hostKey, shown);
      return !changed;
    },
    algorithms: options.algorithms,
    readyTimeout: DEADLINE_MS,
    keepaliveInterval: 0, // edge/transport/connection.ts looks after liveness
  });
  const connection = new SshConnection(client, false);
  const abort = () => connection.destroy(new Error("stopped"));
  options.signal.addEventListener("abort", abort, { once: true });
  try {
    await ready;
    return { client, connection, hostKey: shown, address };
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    options.signal.removeEventListener("abort", abort);
  }
}

/** By host: the port that answered last, which is tried first the next time. */
const worked = new Map<string, number>();

interface Reached {
  port: number;
  socket: net.Socket;
  address: string;
}

/**
 * Many offices let nothing out to port 22: what nobody has named is tried at the second port as well, where an edge speaks SSH beside
 * HTTPS.
 */
async function reach({ edge, signal }: LoginOptions): Promise<Reached> {
  const { host, port, fallbackPort } = edge;
  if (fallbackPort === undefined) return reachPort({ host, port }, signal, DEADLINE_MS);
  const [first, second] = worked.get(host) === fallbackPort ? [fallbackPort, port] : [port, fallbackPort];
  const reached = await reachPort({ host, port: first }, signal, NEXT_PORT_MS)
    .then((found) => (first === port ? greeted(found) : found))
    .catch(async (reason: unknown) => {
      signal.throwIfAborted();
      return reachPort({ host, port: second }, signal, DEADLINE_MS).catch((another: unknown) => {
        throw new Error(`port ${first}: ${reasonOf(reason)}, and port ${second}: ${reasonOf(another)}`);
      });
    });
  worked.set(host, reached.port);
  return reached;
}

/** Something on the way may take connections to port 22 and pass nothing on. An SSH server speaks first there (RFC 4253 section 4.2). */
async function greeted(reached: Reached): Promise<Reached> {
  const { socket } = reached;
  await new Promise<void>((resolve, reject) => {
    const silent = () => done(new Error(`it takes connections and says nothing within ${NEXT_PORT_MS / 1000} s`));
    const timer = setTimeout(silent, NEXT_PORT_MS);
    const closed = () => done(new Error("it closes connections at once"));
    const done = (error: Error | null) => {
      clearTimeout(timer);
      socket.off("readable", spoken).off("close", closed).off("error", done);
      if (error) {
        socket.on("error", () => {}).destroy();
        reject(error);
      } else resolve();
    };
    const spoken = () => {
      const greeting = socket.read() as Buffer | null;
      if (!greeting) return;
      socket.unshift(greeting);
      done(null);
    };
    socket.on("readable", spoken).once("close", closed).once("error", done);
  });
  return reached;
}

/**
 * Through the HTTP proxy of the environment, where there is one. Many let nothing but port 443 through, while the way to an edge of one's
 * own may be free: then directly.
 */
async function reachPort(edge: { host: string; port: number }, signal: AbortSignal, withinMs: number): Promise<Reached> {
  const proxy = proxyFor(edge);
  const within = async (ask: (signal: AbortSignal) => Promise<net.Socket>): Promise<net.Socket> => {
    const late = (): Error => new Error(`no answer within ${withinMs / 1000} s`);
    const given = joinSignals([signal], withinMs, late);
    try {
      return await ask(given.signal);
    } finally {
      given.release();
    }
  };
  const directly = async () => {
    const socket = await within((given) => dial(edge, given));
    return { port: edge.port, socket, address: socket.remoteAddress ?? "" };
  };
  if (!proxy) return directly();
  const through = await within((given) => dialThrough(proxy, edge, given)).catch((error: unknown) => ({ failed: reasonOf(error) }));
  if (!("failed" in through)) return { port: edge.port, socket: through, address: "" };
  signal.throwIfAborted();
  return directly().catch((error: unknown) => {
    throw new Error(`${through.failed}, and directly: ${reasonOf(error)}`);
  });
}

function authMethod(username: string, login: Login): object {
  return typeof login === "string" ? { type: "publickey", username, key: login } : { type: "agent", username, agent: login.agent };
}

function typeOf(blob: Buffer): string {
  return blob.toString("latin1", 4, 4 + blob.readUInt32BE(0));
}

/** Compares two keys without their comments. */
function same(a: string, b: string): boolean {
  const [left, right] = [a, b].map((line) => Buffer.from(line.trim().split(/\s+/)[1] ?? "", "base64"));
  return left !== undefined && right !== undefined && left.length > 0 && left.length === right.length && timingSafeEqual(left, right);
}

/** Of a key line, as OpenSSH prints it. */
export function fingerprint(line: string): string {
  return fingerprintOf(Buffer.from(line.trim().split(/\s+/)[1] ?? "", "base64"));
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "the connection was closed";
  const { code } = error as NodeJS.ErrnoException;
  return inertText(code && !error.message.includes(code) ? `${error.message} (${code})` : error.message);
}
