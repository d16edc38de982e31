/**
 * One SSH connection, seen from either end: the socket's back-pressure, liveness, and an end that always comes. ssh2 1.17 reports a
 * keepalive timeout as an `error` without ever closing the socket, and may emit several errors or none; here there is one `onClose`.
 * After the peer's FIN ssh2 throws on every packet that is still written; here such packets go nowhere.
 */
import type { Socket } from "node:net";
import type { Client, Connection } from "ssh2";
import { SshChannel } from "./channel.ts";
import { SILENCE, type Ssh2Internals, type Ssh2Protocol } from "./ssh2.ts";

/** Above this many bytes in the socket's own queue, channels wait. */
const SOCKET_HIGH_WATER = 1024 * 1024;
/** What ssh2 writes by itself (replies to requests) knows no such limit; a peer that does not read it is let go at this many bytes. */
const SOCKET_LIMIT = 16 * 1024 * 1024;
/**
 * Replies are small, and each costs some hundred bytes beside what it says: above this many packets in the socket's queue nothing more is
 * read from the peer, so that it gets no further ones.
 */
const UNREAD_PACKETS = 1_000;
const LOOK_AGAIN_MS = 10;
/** A peer that takes none of what waits for it in this time is let go, however alive it seems. */
const STUCK_MS = 60_000;
const TICK_MS = 500;
/** While requests flow, silence is noticed within 3 s; without traffic within 15 s. */
const BUSY_FOR_MS = 60_000;
const BUSY = { ping: 1_000, dead: 2_500 };
const IDLE = { ping: 5_000, dead: 12_000 };
/** RFC 4253 section 9: new keys after a gigabyte or an hour. */
const REKEY_BYTES = 1024 * 1024 * 1024;
const REKEY_MS = 60 * 60_000;
const REKEY_DEADLINE_MS = 30_000;
/** More bytes than this between two looks are traffic, not pings. */
const TRAFFIC_BYTES = 2_048;

/** ssh2 grants this much on every channel that the peer opens. */
export const SSH2_WINDOW = 2 * 1024 * 1024;
/** Ours is smaller, so that many stalled channels stay cheap; it grows for readers that keep up. */
const FORWARD_WINDOW = 256 * 1024;
const PACKET_SIZE = 32 * 1024;
const OPEN_DEADLINE_MS = 10_000;
/** Channels of one connection, those included that the peer does not confirm or close. */
const MAX_CHANNELS = 512;
/** All growth of channel windows of one connection together, so that fast readers that stall later stay bounded. */
const GROWTH_BUDGET = 8 * 1024 * 1024;

export class SshConnection {
  readonly socket: Socket;
  /** What ended the connection; null while it lives or when it ended in peace. */
  error: Error | null = null;
  /** Sends a ping of a layer above; without one, SSH's own keepalive request is used. */
  ping: (() => void) | null = null;

  readonly #internals: Ssh2Internals;
  readonly #ssh: Client | Connection;
  readonly #channels = new Set<SshChannel>();
  readonly #waiting = new Set<SshChannel>();
  readonly #closeListeners: ((error: Error | null) => void)[] = [];
  #closed = false;
  #ending = false;
  /** Logged in. Before that SSH allows no pings, and deadlines of the login take the place of liveness. */
  #ready = false;
  #bytesRead = 0;
  #bytesWritten = 0;
  #heardAt = Date.now();
  #spokeAt = 0;
  #pingedAt = 0;
  #busyUntil = 0;
  readonly #renews: boolean;
  #rekeyedAt = Date.now();
  #rekeyedBytes = 0;
  #rekeyingSince = 0;
  /** How far the socket's queue has come, and when that was last news. */
  #sent = 0;
  #sentAt = Date.now();
  #growth = 0;

  /** @param renews whether this end asks for new keys; one of them is enough. */
  constructor(ssh: Client | Connection, renews: boolean) {
    this.#ssh = ssh;
    this.#renews = renews;
    this.#internals = ssh as unknown as Ssh2Internals;
    this.socket = this.#internals._sock;
    this.socket.setNoDelay(true);
    if (renews) this.socket.on("data", () => this.#checkReplies());
    ssh.on("error", (error: Error) => this.destroy(error));
    ssh.once("ready", () => {
      this.#ready = true;
      this.#heardAt = Date.now();
    });
    this.socket.on("drain", () => this.#drain());
    // The end of a key exchange, for which writers have waited.
    ssh.on("handshake", () => this.#drain());
    // SSH knows no half-open connection: a peer that has sent its FIN reads no more. ssh2 would wait for what is queued to be taken.
    this.socket.once("end", () => this.socket.destroy());
    this.socket.once("close", () => this.#onClose());
    ssh.once("close", () => this.#onClose());
    connections.add(this);
    startTicking();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether nothing can be sent any more, although {@link onClose} may be yet to come. */
  get ended(): boolean {
    return this.#closed || !this.#internals._protocol._destruct;
  }

  get protocol(): Ssh2Protocol {
    return this.ended ? SILENCE : this.#internals._protocol;
  }

  /**
   * Whether the socket has more queued than it should; writers wait for {@link waitForDrain}. During a key exchange ssh2 queues what is
   * written, without a limit, and a peer may draw that out.
   */
  get congested(): boolean {
    return this.socket.writableLength > SOCKET_HIGH_WATER || this.#internals._protocol._kexinit !== undefined;
  }

  waitForDrain(channel: SshChannel): void {
    this.#waiting.add(channel);
  }

  /** A request passed: for the next minute a dead peer is looked for more often. */
  busy(now = Date.now()): void {
    this.#busyUntil = now + BUSY_FOR_MS;
  }

  /** Takes at most `wanted` bytes of window growth from the connection's budget. */
  reserveGrowth(wanted: number): number {
    const granted = Math.min(wanted, GROWTH_BUDGET - this.#growth);
    this.#growth += granted;
    return granted;
  }

  /** A channel is gone, with the growth that it had been granted. */
  forget(channel: SshChannel, growth: number): void {
    this.#channels.delete(channel);
    this.#waiting.delete(channel);
    this.#growth -= growth;
  }

  /** Puts our channel in the place of ssh2's own. */
  adopt(channel: SshChannel, original: { incoming: { id: number } }): void {
    this.#channels.add(channel);
    const { _chanMgr } = this.#internals;
    const entry = _chanMgr.get(original.incoming.id);
    // A session of the server is an object that points to its channel; everything else is the channel itself.
    if (entry !== original && typeof entry === "object" && entry !== null && "_channel" in entry) entry._channel = channel;
    else _chanMgr.update(original.incoming.id, channel);
  }

  /**
   * Opens a channel to what a client forwarded with `ssh -R`. ssh2's own `forwardOut` fixes the window at 2 MiB and waits for ever.
   * `bound` is what the client asked for, letter for letter: OpenSSH refuses a channel for anything else (RFC 4254 section 7.2).
   * Rejects with an error that has a `reason` (RFC 4254 section 5.1) when the client refuses.
   */
  openForwarded(bound: { address: string; port: number }, origin: { address: string; port: number }): Promise<SshChannel> {
    return new Promise((resolve, reject) => {
      const { _chanMgr } = this.#internals;
      if (this.#closed || _chanMgr._count >= MAX_CHANNELS) {
        reject(new Error(this.#closed ? "the connection is closed" : "too many channels are open"));
        return;
      }
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

  /** Says goodbye when the channels have sent what they have queued, and ends. Gives up when nothing moves for `graceMs`. */
  end(graceMs = 5_000): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    let movedAt = Date.now();
    let progress = this.#progress();
    const look = () => {
      if (!this.congested && ![...this.#channels].some(({ queued }) => queued > 0)) this.#ssh.end();
      const now = this.#progress();
      if (now !== progress) movedAt = Date.now();
      progress = now;
      if (Date.now() - movedAt >= graceMs) this.socket.destroy();
    };
    const timer = setInterval(look, 20);
    timer.unref();
    this.onClose(() => clearInterval(timer));
    look();
  }

  /** Changes whenever the kernel takes bytes from the socket's queue, in the middle of a long write as well. */
  #progress(): number {
    const { bytesWritten, writableLength, _handle } = this.socket as Socket & { _handle?: { writeQueueSize: number } };
    return bytesWritten - writableLength - (_handle?.writeQueueSize ?? 0);
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
    this.#channels.clear();
    for (const listener of this.#closeListeners.splice(0)) listener(this.error);
  }

  /** The link may be dead without looking so: asks at once, and ends the connection when nothing is heard for `graceMs`. */
  suspect(graceMs: number, now = Date.now()): void {
    this.busy(now);
    this.#heardAt = now - Math.max(0, BUSY.dead - graceMs);
    this.#sendPing(now);
  }

  /**
   * Liveness: any received byte counts as life. `slept` is set when this process itself was not running. Who only receives says something
   * now and then, because on a slow line the answer to the other side's ping waits behind everything it has sent.
   */
  tick(now: number, slept: boolean): void {
    if (this.#closed || !this.#ready) return;
    const { bytesRead, bytesWritten } = this.socket;
    const moved = bytesRead - this.#bytesRead + bytesWritten - this.#bytesWritten;
    if (moved > TRAFFIC_BYTES) this.busy(now);
    if (bytesWritten !== this.#bytesWritten) this.#spokeAt = now;
    // What is not read says nothing; whether the peer takes what waits for it is looked at below.
    if (bytesRead !== this.#bytesRead || slept || this.socket.isPaused()) this.#heardAt = now;
    this.#bytesRead = bytesRead;
    this.#bytesWritten = bytesWritten;
    if (slept) this.suspect(BUSY.dead, now);
    const rule = now < this.#busyUntil ? BUSY : IDLE;
    const silent = now - this.#heardAt;
    if (silent >= rule.dead && this.#pingedAt > this.#heardAt) {
      this.destroy(new Error(`no sign of life for ${Math.round(silent / 100) / 10} s`));
      return;
    }
    if (Math.max(silent, now - this.#spokeAt) >= rule.ping && now - this.#pingedAt >= rule.ping) this.#sendPing(now);
    this.#checkQueue(now, slept);
    this.#checkKeys(now, bytesRead + bytesWritten);
  }

  /** A peer that sends but does not read looks alive, and must not make this process keep what it does not take. */
  #checkQueue(now: number, slept: boolean): void {
    const { writableLength } = this.socket;
    const sent = this.#progress();
    if (sent !== this.#sent || writableLength === 0 || slept) this.#sentAt = now;
    this.#sent = sent;
    if (writableLength > SOCKET_LIMIT || now - this.#sentAt >= STUCK_MS) this.destroy(new Error("the peer does not read what it is sent"));
  }

  /** Only one end does this: two that wait for each other to read would wait for ever. */
  #checkReplies(): void {
    if (queuedPackets(this.socket) < UNREAD_PACKETS) return;
    this.socket.pause();
    const timer = setInterval(() => {
      if (queuedPackets(this.socket) > UNREAD_PACKETS / 2 && !this.#closed) return;
      clearInterval(timer);
      this.socket.resume();
    }, LOOK_AGAIN_MS);
  }

  #checkKeys(now: number, bytes: number): void {
    if (this.#internals._protocol._kexinit !== undefined) {
      this.#rekeyingSince ||= now;
      if (now - this.#rekeyingSince >= REKEY_DEADLINE_MS) this.destroy(new Error("the peer does not finish the key exchange"));
      return;
    }
    this.#rekeyingSince = 0;
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

/** Writes that wait behind the one that the kernel is taking. */
function queuedPackets(socket: Socket): number {
  return (socket as Socket & { _writableState: { bufferedRequestCount: number } })._writableState.bufferedRequestCount;
}
