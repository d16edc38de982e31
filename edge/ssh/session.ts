/** What a plain `ssh -R 80:localhost:3000 <edge>` gets: one forward, and lines of text in its terminal. */
import type { ServerChannel } from "ssh2";
import { refusals, type RefusalCode } from "../errors.ts";
import { SSH2_WINDOW, type SshConnection } from "../transport/connection.ts";
import { ChannelDuplex } from "../transport/duplex.ts";
import { ForwardTunnel } from "./forward.ts";
import type { SshServerOptions } from "./options.ts";
import type { Client } from "../tunnels/registry.ts";
import type { Tunnel } from "../tunnels/tunnel.ts";

/** Forwards that one connection may ask for, one after the other: each leaves something behind until the connection ends. */
const MAX_FORWARDS = 32;

/** Bytes in a packet that a client has to take at least (as in transport/channel.ts). */
const LEAST_PACKET = 1024;
/**
 * What a terminal may send in all its life: the window with which ssh2 opens it. Nobody needs more than a Ctrl-C of it, and a client that
 * streams into it (`ssh ... </dev/zero`) would keep a core busy.
 */
const INPUT_BYTES = SSH2_WINDOW;
/** For a client to show the last words. */
const LEAVE_MS = 1_000;

/** Connections through the loop of a client that sends to itself. */
const MAX_LOOPS = 4;

interface Bound {
  bindAddr: string;
  bindPort: number;
}

/** A port on which people reach web servers, and so what a tunnel is asked for with. */
function isForWeb({ bindPort }: Bound): boolean {
  return bindPort === 80 || bindPort === 443 || bindPort === 0;
}

function isSame(one: Bound, other: Bound): boolean {
  return one.bindAddr === other.bindAddr && (one.bindPort || 80) === other.bindPort;
}

interface ForwardSessionOptions {
  options: Pick<SshServerOptions, "nameFor" | "nameAsked" | "urlOf" | "announce" | "onTunnelClosed">;
  connection: SshConnection;
  client: Client;
  served: (tunnel: Tunnel) => void;
}

export class ForwardSession {
  readonly #context: ForwardSessionOptions;
  #bound: Bound | null = null;
  /** What was asked for before the tunnel's own forward: it leads back to the client, and nowhere else. */
  #loop: Bound | null = null;
  #loops = 0;
  #tunnel: ForwardTunnel | null = null;
  #refused: RefusalCode | null = null;
  #forwards = 0;
  #terminal: ServerChannel | null = null;
  #greeted = false;

  constructor(context: ForwardSessionOptions) {
    this.#context = context;
  }

  /** `tcpip-forward`: the port is a label here, and so is an address that names nothing; else it is the name that is asked for. */
  async request(info: { bindAddr: string; bindPort: number }, accept: (port?: number) => void, reject: () => void): Promise<void> {
    if (this.#bound && this.#forwards < MAX_FORWARDS && isForWeb(info) && !isForWeb(this.#bound)) this.#keepAsLoop();
    if (this.#bound || this.#forwards >= MAX_FORWARDS) {
      this.#say(refusals.FORWARD_IN_USE);
      reject();
      return;
    }
    this.#forwards += 1;
    // Reserved before anything is awaited, so that two requests in one packet cannot both succeed.
    const bound = { bindAddr: info.bindAddr, bindPort: info.bindPort || 80 };
    this.#bound = bound;
    const { options, connection, client, served } = this.#context;
    const named = await options
      .nameFor({ ...client, name: options.nameAsked(info.bindAddr), ephemeral: false })
      .catch(() => ({ refused: "EDGE_FAILED" }) as const);
    if ("leave" in named) connection.onClose(named.leave);
    if ("refused" in named || connection.closed) {
      this.#refused = "refused" in named ? named.refused : null;
      this.#bound = null;
      reject();
      this.#greet();
      return;
    }
    const tunnel = new ForwardTunnel({
      name: named.name,
      client: "ssh",
      connection,
      bound: { address: bound.bindAddr, port: bound.bindPort },
      tell: (code) => this.#say(refusals[code]),
      leave: () => this.#leave(1),
    });
    await options.announce(tunnel);
    if (connection.closed) {
      this.#bound = null;
      return;
    }
    this.#tunnel = tunnel;
    connection.onClose((error) => options.onTunnelClosed(tunnel, error !== null));
    accept(info.bindPort === 0 ? bound.bindPort : undefined);
    served(tunnel);
    this.#greet();
  }

  /** `cancel-tcpip-forward`: true when it named our forward. The tunnel goes, the connection may stay. */
  cancel(info: { bindAddr: string; bindPort: number }): boolean {
    if (!this.#bound || !this.#tunnel || !isSame(info, this.#bound)) return false;
    this.#context.options.onTunnelClosed(this.#tunnel, false);
    this.#tunnel = null;
    this.#bound = null;
    return true;
  }

  /**
   * `direct-tcpip`: to a forward of this very connection. autossh sends a word around like this from time to time (`-M PORT`), and starts
   * ssh anew when it does not come back. Null: there is no such forward, or too much goes around already.
   */
  async openLoop(port: number): Promise<ChannelDuplex | null> {
    const bound = this.#loop;
    if (!bound || bound.bindPort !== port || this.#loops >= MAX_LOOPS) return null;
    this.#loops += 1;
    try {
      const target = { address: bound.bindAddr, port: bound.bindPort };
      const channel = new ChannelDuplex(await this.#context.connection.openForwarded(target, { address: "127.0.0.1", port: 0 }));
      channel.once("close", () => (this.#loops -= 1));
      return channel;
    } catch {
      this.#loops -= 1;
      return null;
    }
  }

  /** autossh asks for the port of its loop first, and ssh for the forward that was typed afterwards. */
  #keepAsLoop(): void {
    if (!this.#tunnel) return;
    this.#context.options.onTunnelClosed(this.#tunnel, false);
    this.#tunnel = null;
    this.#loop = this.#bound;
    this.#bound = null;
    this.#greeted = false;
  }

  /** A terminal: says the URL, and ends the connection on Ctrl-C, Ctrl-D or when it is closed. */
  attach(terminal: ServerChannel | undefined): void {
    // ssh2 hands over nothing for a second shell in one session, and loops for ever on a client whose packets may have 0 bytes.
    const { outgoing, incoming } = (terminal ?? {}) as { outgoing?: { packetSize: number }; incoming?: { window: number } };
    if (!terminal || !incoming || !outgoing || outgoing.packetSize < LEAST_PACKET) {
      this.#context.connection.destroy(new Error("the client opens a terminal that cannot be written to"));
      return;
    }
    // ssh2 grants again what was read, up to its own window (lib/Channel.js `windowAdjust`); from this it has nothing to add.
    incoming.window = Number.POSITIVE_INFINITY;
    let left = INPUT_BYTES;
    this.#terminal = terminal;
    this.#greeted = false;
    terminal.on("close", () => {
      if (this.#terminal === terminal) this.#terminal = null;
    });
    terminal.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) this.#context.connection.destroy(new Error("the client sent more than its channel window"));
      else if (chunk.includes(0x03) || chunk.includes(0x04)) this.#leave(0);
    });
    terminal.on("error", () => {});
    terminal.stdin.resume();
    // OpenSSH asks for the forward first, but does not have to.
    setImmediate(() => this.#greet());
    setTimeout(() => {
      if (!this.#bound) this.#leave(1, this.#refused ?? "NO_FORWARD");
    }, 500).unref();
  }

  #greet(): void {
    if (!this.#terminal) return;
    if (this.#refused) this.#leave(1, this.#refused);
    else if (this.#tunnel && !this.#greeted) {
      this.#greeted = true;
      this.#say(this.#context.options.urlOf(this.#tunnel.name));
    }
  }

  #say(text: string): void {
    if (this.#context.connection.ended) return;
    this.#terminal?.write(`${text}\r\n`);
  }

  #leave(code: number, reason: RefusalCode | null = null): void {
    const { connection } = this.#context;
    const terminal = this.#terminal;
    this.#terminal = null;
    if (!terminal || connection.ended) {
      connection.end();
      return;
    }
    if (reason) terminal.stderr.write(`${reason}: ${refusals[reason]}\r\n`);
    // OpenSSH forgets what it has not shown yet when the connection ends; it closes the terminal when everything was shown.
    const timer = setTimeout(() => connection.end(), LEAVE_MS);
    terminal.once("close", () => {
      clearTimeout(timer);
      connection.end();
    });
    terminal.exit(code);
    terminal.end();
  }
}
