/**
 * One SSH connection, seen from either end: the socket's back-pressure, liveness, and an end that always comes. ssh2 1.17 reports a
 * keepalive timeout as an `error` without ever closing the socket, and may emit several errors or none; here there is one `onClose`.
 */
import type { Socket } from "node:net";
import type { Client, Connection } from "ssh2";
import { SshChannel } from "./channel.ts";

/** The members of ssh2's Protocol (lib/protocol/Protocol.js) used here. */
interface Ssh2Protocol {
  channelData(id: number, data: Buffer): void;
  channelEOF(id: number): void;
  channelClose(id: number): void;
  channelWindowAdjust(id: number, amount: number): void;
  forwardedTcpip(
    id: number,
    window: number,
    packetSize: number,
    origin: { boundAddr: string; boundPort: number; remoteAddr: string; remotePort: number },
  ): void;
  ping(): void;
  rekey(): void;
}

interface Ssh2Internals {
  _protocol: Ssh2Protocol;
  _sock: Socket;
  _chanMgr: { add(value: unknown): number; get(id: number): unknown; update(id: number, value: unknown): void; remove(id: number): void };
}

/** Above this many bytes in the socket's own queue, channels wait. */
const SOCKET_HIGH_WATER = 1024 * 1024;
const TICK_MS = 500;
/** While requests flow, silence is noticed within 3 s; without traffic within 15 s. */
const BUSY_FOR_MS = 60_000;
const BUSY = { ping: 1_000, dead: 2_500 };
const IDLE = { ping: 5_000, dead: 12_000 };
/** RFC 4253 section 9: new keys after a gigabyte or an hour. */
const REKEY_BYTES = 1024 * 1024 * 1024;
const REKEY_MS = 60 * 60_000;

/** ssh2 grants this much on every channel that the peer opens. */
export const SSH2_WINDOW = 2 * 1024 * 1024;
/** Ours is smaller, so that many stalled channels stay cheap; it grows for readers that keep up. */
const FORWARD_WINDOW = 256 * 1024;
const PACKET_SIZE = 32 * 1024;
const OPEN_DEADLINE_MS = 10_000;

export class SshConnection {
  readonly socket: Socket;
  readonly protocol: Ssh2Protocol;
  /** What ended the connection; null while it lives or when it ended in peace. */
  error: Error | null = null;
  /** Sends a ping of a layer above; without one, SSH's own keepalive request is used. */
  ping: (() => void) | null = null;

  readonly #internals: Ssh2Internals;
  readonly #ssh: Client | Connection;
  readonly #waiting = new Set<SshChannel>();
  readonly #closeListeners: ((error: Error | null) => void)[] = [];
  #closed = false;
  #bytesSeen = 0;
  #heardAt = Date.now();
  #pingedAt = 0;
  #busyUntil = 0;
  readonly #renews: boolean;
  #rekeyedAt = Date.now();
  #rekeyedBytes = 0;

  /** @param renews whether this end asks for new keys; one of them is enough. */
  constructor(ssh: Client | Connection, renews: boolean) {
    this.#ssh = ssh;
    this.#renews = renews;
    this.#internals = ssh as unknown as Ssh2Internals;
    this.socket = this.#internals._sock;
    this.protocol = this.#internals._protocol;
    this.socket.setNoDelay(true);
    ssh.on("error", (error: Error) => this.destroy(error));
    this.socket.on("drain", () => this.#drain());
    // ssh2 ends the socket politely after errors and disconnects; a peer that is gone would never answer that.
    this.socket.once("end", () => this.socket.destroySoon());
    this.socket.once("close", () => this.#onClose());
    ssh.once("close", () => this.#onClose());
    connections.add(this);
    startTicking();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether the socket has more queued than it should; writers wait for {@link waitForDrain}. */
  get congested(): boolean {
    return this.socket.writableLength > SOCKET_HIGH_WATER;
  }

  waitForDrain(channel: SshChannel): void {
    this.#waiting.add(channel);
  }

  /** A request passed: for the next minute a dead peer is looked for more often. */
  busy(now = Date.now()): void {
    this.#busyUntil = now + BUSY_FOR_MS;
  }

  /** Puts our channel in the place of ssh2's own. */
  adopt(channel: SshChannel, original: { incoming: { id: number } }): void {
    const { _chanMgr } = this.#internals;
    const entry = _chanMgr.get(original.incoming.id);
    // A session of the server is an object that points to its channel; everything else is the channel itself.
    if (entry !== original && typeof entry === "object" && entry !== null && "_channel" in entry) entry._channel = channel;
    else _chanMgr.update(original.incoming.id, channel);
  }

  /**
   * Opens a channel to what a client forwarded with `ssh -R`. ssh2's own `forwardOut` fixes the window at 2 MiB and waits for ever.
   * `bound` is what the client asked for, letter for letter: OpenSSH refuses a channel for anything else (RFC 4254 section 7.2).
   */
  openForwarded(bound: { address: string; port: number }, origin: { address: string; port: number }): Promise<SshChannel> {
    return new Promise((resolve, reject) => {
      const { _chanMgr } = this.#internals;
      let settled = false;
      const opened = (error: Error | undefined, original: ConstructorParameters<typeof SshChannel>[1]) => {
        clearTimeout(timer);
        if (error) reject(error);
        else {
          const channel = new SshChannel(this, original, FORWARD_WINDOW);
          if (settled) channel.abort();
          else resolve(channel);
        }
        settled = true;
      };
      opened.type = "forwarded-tcpip";
      const id = _chanMgr.add(opened);
      // A channel that is confirmed after the deadline is closed on arrival (above), so its number is not freed here.
      const timer = setTimeout(() => {
        settled = true;
        reject(new Error("the client did not answer a request to open a channel"));
      }, OPEN_DEADLINE_MS);
      this.protocol.forwardedTcpip(id, FORWARD_WINDOW, PACKET_SIZE, {
        boundAddr: bound.address,
        boundPort: bound.port,
        remoteAddr: origin.address,
        remotePort: origin.port,
      });
    });
  }

  onClose(listener: (error: Error | null) => void): void {
    if (this.#closed) listener(this.error);
    else this.#closeListeners.push(listener);
  }

  /** Ends the connection at once. */
  destroy(error: Error | null = null): void {
    this.error ??= error;
    this.socket.destroy();
  }

  /** Says goodbye, lets the socket's queue drain for at most `graceMs`, then ends. */
  end(graceMs = 1_000): void {
    if (this.#closed) return;
    this.#ssh.end();
    setTimeout(() => this.socket.destroy(), graceMs).unref();
  }

  #drain(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const channel of waiting) channel.flush();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    connections.delete(this);
    this.#waiting.clear();
    for (const listener of this.#closeListeners.splice(0)) listener(this.error);
  }

  /** The link may be dead without looking so: asks at once, and ends the connection when nothing is heard for `graceMs`. */
  suspect(graceMs: number, now = Date.now()): void {
    this.busy(now);
    this.#heardAt = now - Math.max(0, BUSY.dead - graceMs);
    this.#sendPing(now);
  }

  /** Liveness: any received byte counts as life. `slept` is set when this process itself was not running. */
  tick(now: number, slept: boolean): void {
    const { bytesRead, bytesWritten } = this.socket;
    if (bytesRead !== this.#bytesSeen || slept) {
      this.#bytesSeen = bytesRead;
      this.#heardAt = now;
      if (slept) this.suspect(BUSY.dead, now);
    }
    const rule = now < this.#busyUntil ? BUSY : IDLE;
    const silent = now - this.#heardAt;
    if (silent >= rule.dead && this.#pingedAt > this.#heardAt) {
      this.destroy(new Error(`no sign of life for ${Math.round(silent / 100) / 10} s`));
      return;
    }
    if (silent >= rule.ping && now - this.#pingedAt >= rule.ping) this.#sendPing(now);
    const bytes = bytesRead + bytesWritten;
    if (!this.#renews) return;
    if (bytes - this.#rekeyedBytes < REKEY_BYTES && now - this.#rekeyedAt < REKEY_MS) return;
    this.#rekeyedAt = now;
    this.#rekeyedBytes = bytes;
    this.protocol.rekey();
  }

  #sendPing(now: number): void {
    this.#pingedAt = now;
    if (this.ping) this.ping();
    else this.protocol.ping();
  }
}

/** One timer for all connections: ten thousand tunnels do not need ten thousand timers. */
const connections = new Set<SshConnection>();
let ticker: NodeJS.Timeout | null = null;
let tickedAt = 0;

function startTicking(): void {
  if (ticker) return;
  tickedAt = Date.now();
  ticker = setInterval(() => {
    const now = Date.now();
    // The machine slept, or the process was stopped: silence in that time says nothing about the peer.
    const slept = now - tickedAt > TICK_MS * 4 || now < tickedAt;
    tickedAt = now;
    for (const connection of connections) connection.tick(now, slept);
    if (connections.size > 0 || !ticker) return;
    clearInterval(ticker);
    ticker = null;
  }, TICK_MS);
  ticker.unref();
}
