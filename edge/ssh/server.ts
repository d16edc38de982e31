/** The SSH server: our agent on a subsystem, and any `ssh -R` client. Everything that was not asked for by name is refused. */
import net from "node:net";
import ssh2, { type Connection } from "ssh2";
import { EdgeError, refusals, type RefusalCode } from "../errors.ts";
import { networkOf } from "../network.ts";
import { FrameType, FrameWriter, SUBSYSTEM } from "../wire/frames.ts";
import { Hello, type Call, type Welcome } from "../wire/messages.ts";
import { SSH2_WINDOW, SshConnection } from "../transport/connection.ts";
import { SshChannel } from "../transport/channel.ts";
import { MUX_CHANNEL_WINDOW } from "../transport/mux.ts";
import { AgentTunnel } from "./agent.ts";
import { authenticate } from "./auth.ts";
import { ForwardSession } from "./session.ts";
import type { Tunnel } from "../tunnels/tunnel.ts";

/** From the first byte to a proven key. */
const LOGIN_GRACE_MS = 10_000;
/** A client whose key would do gets this long to prove it: somebody may be typing a passphrase. */
const TYPING_GRACE_MS = 60_000;
/** A connection that opens neither a tunnel nor a session is of no use to anybody. */
const PURPOSE_GRACE_MS = 30_000;
/** Sessions that one connection may open in all its life: OpenSSH opens one, our agent one. ssh2 keeps those that are closed unused. */
const MAX_SESSIONS = 32;

export interface SshLimits {
  /** Connections that have not proven a key yet: in all, where the oldest makes room, and from one network (/24 or /48). */
  unauthenticated: number;
  unauthenticatedPerAddress: number;
  /** Connections of one key. */
  connectionsPerKey: number;
}

export const DEFAULT_SSH_LIMITS: SshLimits = { unauthenticated: 1024, unauthenticatedPerAddress: 256, connectionsPerKey: 20 };

export interface NameRequest {
  key: Buffer;
  /** null: the name that follows from the key. */
  name: string | null;
  ephemeral: boolean;
}

export interface SshServerOptions {
  host: string;
  port: number;
  /** OpenSSH format. */
  hostKey: string;
  limits: SshLimits;
  allowed: (keyBlob: Buffer) => boolean;
  /** Finds or claims the name; durable before it answers. */
  nameFor: (request: NameRequest) => Promise<{ name: string } | { refused: RefusalCode }>;
  urlOf: (name: string) => string;
  /** Sets up what the client asked for under its name, before it is welcomed; resolves with how long webhooks are held, hours. */
  prepare: (name: string, hello: Hello) => Promise<number>;
  onTunnel: (tunnel: Tunnel, key: Buffer) => void;
  /** `lost`: the connection broke, so the client may come back at once. */
  onTunnelClosed: (tunnel: Tunnel, lost: boolean) => void;
  onCall: (tunnel: AgentTunnel, call: Call) => Promise<unknown>;
  log: (line: string) => void;
}

export interface RunningSshServer {
  port: number;
  /** Sockets that have not proven a key. */
  unauthenticated(): number;
  /** Stops accepting; tunnels stay. */
  stopAccepting(): void;
  /** Ends every connection at once. */
  close(): void;
}

export async function startSshServer(options: SshServerOptions): Promise<RunningSshServer> {
  const pending = new Map<string, number>();
  /** Oldest first, with what gives the place back. */
  const unproven = new Map<net.Socket, () => void>();
  const perKey = new Map<string, number>();
  const sockets = new Set<net.Socket>();

  const server = new ssh2.Server(
    {
      hostKeys: [options.hostKey],
      ident: "airy-edge",
      // Modern algorithms only; AES-GCM because ChaCha20's 32-bit packet counter and CBC-EtM are what Terrapin (CVE-2023-48795) used.
      algorithms: {
        kex: ["curve25519-sha256", "curve25519-sha256@libssh.org"],
        serverHostKey: ["ssh-ed25519"],
        cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"],
        hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"],
        compress: ["none"],
      },
      // transport/connection.ts looks after liveness. 0 would mean ssh2's default of 15 s, so: as rarely as a timer can.
      keepaliveInterval: 2 ** 31 - 1,
    },
    (client) => onClient(client),
  );

  /**
   * Takes a place among the unproven; null when its network has too many. The place is taken before anything is awaited. When all places are
   * taken the oldest goes: a login takes a moment, and those that stay are there to keep others out.
   */
  function takePlace(socket: net.Socket): (() => void) | null {
    const network = networkOf(socket.remoteAddress ?? "");
    const count = pending.get(network) ?? 0;
    if (count >= options.limits.unauthenticatedPerAddress) return null;
    pending.set(network, count + 1);
    const release = () => {
      if (!unproven.delete(socket)) return;
      const left = (pending.get(network) ?? 1) - 1;
      if (left > 0) pending.set(network, left);
      else pending.delete(network);
    };
    const [oldest] = unproven;
    unproven.set(socket, release);
    if (unproven.size > options.limits.unauthenticated && oldest) {
      const [other, releaseOther] = oldest;
      releaseOther();
      other.destroy();
    }
    return release;
  }

  const listener = net.createServer({ noDelay: true }, (socket) => {
    const release = takePlace(socket);
    if (!release) {
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    sockets.add(socket);
    let grace = setTimeout(() => socket.destroy(), LOGIN_GRACE_MS);
    socket.once("offered", () => {
      clearTimeout(grace);
      grace = setTimeout(() => socket.destroy(), TYPING_GRACE_MS);
    });
    socket.once("close", () => {
      clearTimeout(grace);
      release();
      sockets.delete(socket);
    });
    socket.once("proven", () => {
      clearTimeout(grace);
      release();
    });
    server.injectSocket(socket);
  });

  function onClient(client: Connection): void {
    const connection = new SshConnection(client, true);
    let key: Buffer | null = null;
    authenticate(client, {
      allowed: options.allowed,
      onOffer: () => connection.socket.emit("offered"),
      onKey: (blob) => {
        key = blob;
      },
    });
    client.once("ready", () => {
      if (!key) {
        connection.destroy();
        return;
      }
      connection.socket.emit("proven");
      const id = key.toString("base64");
      const count = perKey.get(id) ?? 0;
      if (count >= options.limits.connectionsPerKey) {
        options.log(`refused a connection: ${refusals.TOO_MANY_TUNNELS}`);
        connection.end();
        return;
      }
      perKey.set(id, count + 1);
      connection.onClose(() => {
        const left = (perKey.get(id) ?? 1) - 1;
        if (left > 0) perKey.set(id, left);
        else perKey.delete(id);
      });
      serve(client, connection, key);
    });
  }

  /** After the key is proven: a session (text or our subsystem) and at most one forward. */
  function serve(client: Connection, connection: SshConnection, key: Buffer): void {
    const purpose = setTimeout(() => connection.end(), PURPOSE_GRACE_MS);
    connection.onClose(() => clearTimeout(purpose));
    const served = (tunnel: Tunnel) => {
      clearTimeout(purpose);
      options.onTunnel(tunnel, key);
    };
    const forward = new ForwardSession({ options, connection, key, served });
    let sessions = 0;
    let isAgent = false;

    client.on("request", (accept, reject, name, info) => {
      if (name === "tcpip-forward" && "bindAddr" in info) {
        void forward.request(
          info,
          (port) => accept?.(port),
          () => reject?.(),
        );
        return;
      }
      if (name === "cancel-tcpip-forward" && "bindAddr" in info && forward.cancel(info)) {
        accept?.();
        return;
      }
      reject?.();
    });
    client.on("session", (accept) => {
      sessions += 1;
      if (sessions > MAX_SESSIONS) {
        connection.destroy(new Error("the client opens session after session"));
        return;
      }
      const session = accept();
      session.on("pty", (acceptPty) => acceptPty?.());
      session.on("env", (acceptEnv) => acceptEnv?.());
      session.on("shell", (acceptShell) => forward.attach(acceptShell()));
      session.on("exec", (acceptExec) => forward.attach(acceptExec()));
      session.on("subsystem", (acceptSubsystem, rejectSubsystem, { name }) => {
        if (!name.startsWith("airy-tunnel-v") || isAgent) {
          rejectSubsystem?.();
          return;
        }
        isAgent = true;
        const original = acceptSubsystem() as unknown as ConstructorParameters<typeof SshChannel>[1];
        const channel = new SshChannel(connection, original, SSH2_WINDOW, MUX_CHANNEL_WINDOW);
        if (name !== SUBSYSTEM) {
          refuseVersion(channel, connection, name);
          return;
        }
        serveAgent(channel, connection, key, served);
      });
    });
  }

  function serveAgent(channel: SshChannel, connection: SshConnection, key: Buffer, served: (tunnel: Tunnel) => void): void {
    const tunnel = new AgentTunnel({
      connection,
      channel,
      readHello: (payload) => Hello.parse(JSON.parse(payload.toString("utf8"))),
      refusalText: (code) => refusals[code],
      welcome: async (hello) => {
        const named = await options.nameFor({ key, name: hello.name, ephemeral: hello.ephemeral });
        if ("refused" in named) return named;
        const holdHours = await options.prepare(named.name, hello);
        const welcome: Welcome = { identifier: named.name, url: options.urlOf(named.name), holdHours };
        return { welcome };
      },
      onOpen: served,
      onLeave: (leaving) => options.onTunnelClosed(leaving, false),
      onCall: options.onCall,
      onClose: (closed, lost) => {
        if (closed.name) options.onTunnelClosed(closed, lost);
      },
    });
    void tunnel;
  }

  /** The peer speaks another version of our protocol; the refusal itself has the same form in all of them. */
  function refuseVersion(channel: SshChannel, connection: SshConnection, name: string): void {
    const code: RefusalCode =
      Number(name.slice("airy-tunnel-v".length)) > Number(SUBSYSTEM.slice("airy-tunnel-v".length)) ? "VERSION_TOO_NEW" : "VERSION_TOO_OLD";
    const writer = new FrameWriter();
    writer.json(FrameType.REFUSED, { code, message: refusals[code] });
    channel.start({ onData: () => {}, onEnd: () => {}, onClose: () => {}, onDrain: () => {} });
    channel.write(writer.take());
    channel.closeAfterFlush();
    connection.end();
  }

  await new Promise<void>((resolve, reject) => {
    listener.once("error", (error: NodeJS.ErrnoException) => {
      reject(new EdgeError("EDGE_ADDRESS", `ssh ${options.host}:${options.port}: ${error.code}`));
    });
    listener.listen(options.port, options.host, () => resolve());
  });
  listener.on("error", (error) => options.log(`ssh listener: ${error.message}`));

  return {
    port: (listener.address() as net.AddressInfo).port,
    unauthenticated: () => unproven.size,
    stopAccepting: () => listener.close(),
    close: () => {
      listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
