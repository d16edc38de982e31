/** One connection whose key is proven: a session (text, or the subsystem of our own client) and at most one forward. */
import type { Duplex } from "node:stream";
import type { Connection, Session } from "ssh2";
import { refusals, type RefusalCode } from "../errors.ts";
import { SshChannel } from "../transport/channel.ts";
import { SSH2_WINDOW, type SshConnection } from "../transport/connection.ts";
import { MUX_CHANNEL_WINDOW } from "../transport/mux.ts";
import type { Client } from "../tunnels/registry.ts";
import type { Tunnel } from "../tunnels/tunnel.ts";
import { FrameType, FrameWriter, SUBSYSTEM } from "../wire/frames.ts";
import { Hello, type Welcome } from "../wire/messages.ts";
import { AgentTunnel } from "./agent.ts";
import type { SshServerOptions } from "./options.ts";
import { ForwardSession } from "./session.ts";

/** A connection that opens neither a tunnel nor a session is of no use to anybody. */
const PURPOSE_GRACE_MS = 30_000;
/** Sessions that one connection may open in all its life: OpenSSH opens one, our agent one. ssh2 keeps those that are closed unused. */
const MAX_SESSIONS = 32;

export class ClientConnection {
  readonly #options: SshServerOptions;
  readonly #ssh: Connection;
  readonly #connection: SshConnection;
  readonly #client: Client;
  readonly #forward: ForwardSession;
  readonly #purpose: NodeJS.Timeout;
  #sessions = 0;
  #isAgent = false;

  constructor(options: SshServerOptions, ssh: Connection, connection: SshConnection, client: Client) {
    this.#options = options;
    this.#ssh = ssh;
    this.#connection = connection;
    this.#client = client;
    this.#purpose = setTimeout(() => connection.end(), PURPOSE_GRACE_MS);
    this.#forward = new ForwardSession({ options, connection, client, served: (tunnel) => this.#served(tunnel) });
  }

  serve(): void {
    this.#connection.onClose(() => clearTimeout(this.#purpose));
    this.#ssh.on("request", (accept, reject, name, info) => {
      if (name === "tcpip-forward" && "bindAddr" in info) {
        void this.#forward.request(
          info,
          (port) => accept?.(port),
          () => reject?.(),
        );
        return;
      }
      if (name === "cancel-tcpip-forward" && "bindAddr" in info && this.#forward.cancel(info)) {
        accept?.();
        return;
      }
      reject?.();
    });
    this.#ssh.on("tcpip", (accept, reject, { destPort }) => void this.#loop(accept, reject, destPort));
    this.#ssh.on("session", (accept) => {
      this.#sessions += 1;
      if (this.#sessions > MAX_SESSIONS) this.#connection.destroy(new Error("the client opens session after session"));
      else this.#onSession(accept());
    });
  }

  /** Nothing can be reached through an edge but the client itself. */
  async #loop(accept: () => Duplex, reject: () => void, port: number): Promise<void> {
    const back = await this.#forward.openLoop(port);
    if (!back || this.#connection.closed) {
      reject();
      return;
    }
    const out = accept();
    out.pipe(back).pipe(out);
    for (const [one, other] of [
      [out, back],
      [back, out],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  }

  #served(tunnel: Tunnel): void {
    clearTimeout(this.#purpose);
    this.#options.onTunnel(tunnel, this.#client);
  }

  #onSession(session: Session): void {
    session.on("pty", (accept) => accept?.());
    session.on("env", (accept) => accept?.());
    session.on("shell", (accept) => this.#forward.attach(accept()));
    session.on("exec", (accept) => this.#forward.attach(accept()));
    session.on("subsystem", (accept, reject, { name }) => {
      if (!name.startsWith("airy-tunnel-v") || this.#isAgent) {
        reject?.();
        return;
      }
      this.#isAgent = true;
      const original = accept() as unknown as ConstructorParameters<typeof SshChannel>[1];
      const channel = new SshChannel(this.#connection, original, SSH2_WINDOW, MUX_CHANNEL_WINDOW);
      if (name === SUBSYSTEM) this.#serveAgent(channel);
      else this.#refuseVersion(channel, name);
    });
  }

  #serveAgent(channel: SshChannel): void {
    const options = this.#options;
    const tunnel = new AgentTunnel({
      connection: this.#connection,
      channel,
      readHello: (payload) => Hello.parse(JSON.parse(payload.toString("utf8"))),
      refusalText: (code) => refusals[code],
      welcome: async (hello) => {
        const named = await options.nameFor({ ...this.#client, name: hello.name, ephemeral: hello.ephemeral });
        if ("refused" in named) return named;
        this.#connection.onClose(named.leave);
        const holdHours = await options.prepare(named.name, hello);
        const welcome: Welcome = { identifier: named.name, url: options.urlOf(named.name), holdHours };
        return { welcome };
      },
      announce: () => options.announce(tunnel),
      onOpen: () => this.#served(tunnel),
      onLeave: () => options.onTunnelClosed(tunnel, false),
      onCall: (call) => options.onCall(tunnel, call),
      onClose: (lost) => options.onTunnelClosed(tunnel, lost),
    });
  }

  /** The peer speaks another version of our protocol; the refusal itself has the same form in all of them. */
  #refuseVersion(channel: SshChannel, name: string): void {
    const versionOf = (subsystem: string) => Number(subsystem.slice("airy-tunnel-v".length));
    const code: RefusalCode = versionOf(name) > versionOf(SUBSYSTEM) ? "VERSION_TOO_NEW" : "VERSION_TOO_OLD";
    const writer = new FrameWriter();
    writer.json(FrameType.REFUSED, { code, message: refusals[code] });
    channel.start({ onData: () => {}, onEnd: () => {}, onClose: () => {}, onDrain: () => {} });
    channel.write(writer.take());
    channel.closeAfterFlush();
    this.#connection.end();
  }
}
