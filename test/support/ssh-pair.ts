/** Both ends of one real SSH connection on loopback, wrapped as the edge and the agent wrap them. */
import net from "node:net";
import ssh2, { type Connection } from "ssh2";
import { SSH2_WINDOW, SshConnection } from "../../edge/transport/connection.ts";
import { SshChannel, type ChannelHandler } from "../../edge/transport/channel.ts";
import { newKey } from "./edge.ts";
import { startRelay, type Relay, type RelayOptions } from "./relay.ts";

type Original = ConstructorParameters<typeof SshChannel>[1];

export interface Pair {
  server: SshConnection;
  client: SshConnection;
  relay: Relay;
  /** What the server's ssh2 says about packets, newest last. */
  packets: string[];
  /** Opens a channel; each end may be given the window the peer may use ahead. */
  channel(windows?: { server?: number; client?: number }): Promise<{ server: SshChannel; client: SshChannel }>;
  close(): Promise<void>;
}

export async function openPair(line: Omit<RelayOptions, "target"> = {}): Promise<Pair> {
  const packets: string[] = [];
  const waiting: ((original: Original) => void)[] = [];
  let onServer: (connection: Connection) => void = () => {};
  const arrived = new Promise<Connection>((resolve) => {
    onServer = resolve;
  });
  const server = new ssh2.Server(
    {
      hostKeys: [newKey().private],
      debug: (text) => packets.push(text.replace(/^\[[^\]]*\] /, "")),
      algorithms: { cipher: ["aes128-gcm@openssh.com"] },
    },
    (connection) => {
      connection.on("authentication", (context) => context.accept());
      connection.on("session", (accept) => {
        accept().on("subsystem", (acceptSubsystem) => waiting.shift()!(acceptSubsystem() as unknown as Original));
      });
      onServer(connection);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const relay = await startRelay({ target: () => ({ host: "127.0.0.1", port }), ...line });
  const ssh = new ssh2.Client();
  ssh.connect({ host: "127.0.0.1", port: relay.port, username: "x", hostVerifier: () => true, readyTimeout: 20_000 });
  const ready = new Promise<void>((resolve, reject) => {
    ssh.once("ready", resolve);
    ssh.once("error", reject);
  });
  const connection = new SshConnection(await arrived, true);
  await ready;
  const client = new SshConnection(ssh, false);
  // It is logged in already; the connection learns that from the event.
  ssh.emit("ready");
  return {
    server: connection,
    client,
    relay,
    packets,
    channel: async (windows = {}) => {
      const theirs = new Promise<Original>((resolve) => waiting.push(resolve));
      const ours = await new Promise<Original>((resolve, reject) => {
        ssh.subsys("test", (error, channel) => (error ? reject(error) : resolve(channel as unknown as Original)));
      });
      return {
        client: new SshChannel(client, ours, SSH2_WINDOW, windows.client),
        server: new SshChannel(connection, await theirs, SSH2_WINDOW, windows.server),
      };
    },
    close: async () => {
      connection.destroy();
      client.destroy();
      await relay.close();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A reader that can be told to stop, and knows what it has got. */
export class Reader implements ChannelHandler {
  readonly chunks: Buffer[] = [];
  bytes = 0;
  ended = false;
  closed: { error: Error | null } | null = null;
  drains = 0;
  /** Whether it gives credit for what comes. */
  reading = true;
  readonly #channel: SshChannel;
  #held = 0;

  constructor(channel: SshChannel) {
    this.#channel = channel;
    channel.start(this);
  }

  get data(): Buffer {
    return Buffer.concat(this.chunks);
  }

  resume(): void {
    this.reading = true;
    this.#channel.consumed(this.#held);
    this.#held = 0;
  }

  onData(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
    this.bytes += chunk.length;
    if (this.reading) this.#channel.consumed(chunk.length);
    else this.#held += chunk.length;
  }

  onEnd(): void {
    this.ended = true;
  }

  onClose(error: Error | null): void {
    this.closed = { error };
  }

  onDrain(): void {
    this.drains += 1;
  }
}

/** Established TCP connections of this machine whose near end is this port (Linux). */
export async function established(port: number): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  let count = 0;
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const text = await readFile(file, "utf8").catch(() => "");
    for (const row of text.split("\n").slice(1)) {
      const [, local = "", , state] = row.trim().split(/\s+/);
      if (state === "01" && Number.parseInt(local.split(":").at(-1) ?? "", 16) === port) count += 1;
    }
  }
  return count;
}
