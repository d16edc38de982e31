/** The tunnel client: one SSH connection to the edge, kept up forever, that carries public requests to a local service. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { TunnelStatus } from "../events.ts";
import { FrameType } from "../../edge/wire/frames.ts";
import type { GoAway } from "../../edge/wire/messages.ts";
import { AiryError, fail } from "../errors.ts";
import { inertText } from "../io/inert.ts";
import { connect, type Connected } from "./connect.ts";
import { connectPlain } from "./foreign.ts";
import { createForwarder, type Forwarder } from "./forward.ts";
import { Gate } from "./gate.ts";
import { pinKey, pinnedKey } from "./host-keys.ts";
import { latest } from "./latest.ts";
import { fingerprint } from "./login.ts";
import { next, retryDelay, type TunnelEvent } from "./machine.ts";
import { Recorder } from "./recorder.ts";
import type { RunningTunnel, TunnelConfig } from "./types.ts";
import { watchWake } from "./wake.ts";

/** A refusal that only somebody else can lift is tried again at this pace, where it is tried again at all. */
const REFUSED_RETRY_MS = 60_000;
/** What the edge still has in flight on a connection that we or it are leaving. */
const CLOSE_GRACE_MS = 5_000;
/** A connection that lasted this long counts as recovered: the next loss starts with the first delay again. */
const STABLE_MS = 5_000;
const MEASURE_MS = 5_000;
/** How much an edge holds is heard no more often, whatever it sends. */
const STATUS_MS = 1_000;
/** After a sleep or a change of network the edge has this long to answer. */
const WAKE_GRACE_MS = 1_000;

/** Codes of {@link connect} that do not pass by waiting. */
const REFUSALS = new Set(["HOST_KEY_CHANGED", "SSH_AUTH", "NAME_TAKEN", "EDGE_REFUSED", "FORWARD_REFUSED", "PUBLIC_URL_UNKNOWN"]);

export type { RunningTunnel, TunnelConfig };

export function startTunnel(config: TunnelConfig): RunningTunnel {
  const tunnel = new Tunnel(config);
  void tunnel.dial();
  return tunnel;
}

class Tunnel implements RunningTunnel {
  readonly opened: Promise<TunnelStatus>;
  readonly closed: Promise<AiryError | null>;
  readonly #config: TunnelConfig;
  readonly #instance = randomUUID();
  readonly traffic: Recorder;
  readonly #forwarder: Forwarder;
  readonly #stop = new AbortController();
  readonly #stopWatching: () => void;
  readonly #measuring: NodeJS.Timeout;
  #status: TunnelStatus;
  #connected: Connected | null = null;
  /** Connections the edge has asked us to leave, still finishing. */
  readonly #leaving = new Set<Connected>();
  #attempt = 0;
  #lostAt = Date.now();
  #openedAt = 0;
  #everOpen = false;
  #retry: NodeJS.Timeout | null = null;
  #resolveOpened: (status: TunnelStatus) => void = () => {};
  #rejectOpened: (error: Error) => void = () => {};
  #resolveClosed: (error: AiryError | null) => void = () => {};

  constructor(config: TunnelConfig) {
    this.#config = config;
    this.traffic = new Recorder(config.onRequest, config.inspect);
    this.#forwarder = createForwarder({
      routes: config.routes ?? [{ prefix: "/", target: config.target, path: null }],
      hostHeader: config.hostHeader ?? null,
      onChange: config.onService ?? (() => {}),
      onAnswer: config.onAnswer ?? (() => {}),
      paths: config.paths,
      gate: config.gate ?? new Gate({ verify: null, fail: null }),
      recorder: this.traffic,
    });
    this.#stopWatching = watchWake((what) => this.#onWake(what));
    this.#measuring = setInterval(() => this.#connected?.mux.ping(), MEASURE_MS);
    this.#measuring.unref();
    this.#status = {
      state: "idle",
      url: null,
      identifier: null,
      edge: `${config.edge.host}:${config.edge.port}`,
      since: new Date().toISOString(),
      reconnects: 0,
      rttMs: null,
      retryAt: null,
      reason: null,
      held: null,
    };
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve;
      this.#rejectOpened = reject;
    });
    // Nobody has to listen; `closed` and the status say the same.
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  status(): TunnelStatus {
    return { ...this.#status };
  }

  edgeAddress(): string | null {
    return this.#connected?.address ?? null;
  }

  deadLetters(): Promise<unknown> {
    return this.#call("dead.list");
  }

  async replayDead(): Promise<number> {
    return Number(await this.#call("dead.replay"));
  }

  async purgeHeld(): Promise<number> {
    return Number(await this.#call("hold.purge"));
  }

  async #call(method: Parameters<Connected["call"]>[0]): Promise<unknown> {
    const connected = this.#connected;
    if (!connected) return fail("TUNNEL_NOT_OPEN", { edge: this.#status.edge, state: this.#status.state });
    return connected.call(method).catch((error: Error) => fail("TUNNEL_NOT_OPEN", { edge: this.#status.edge, state: error.message }));
  }

  async close(): Promise<void> {
    if (this.#status.state === "closed") return;
    this.#end(null);
    const connections = [...this.#leaving, ...(this.#connected ? [this.#connected] : [])];
    for (const { mux } of connections) mux.send(FrameType.GOAWAY, { code: "CLOSING", retryAfterMs: 0 });
    const until = Date.now() + CLOSE_GRACE_MS;
    while (Date.now() < until && connections.some(({ mux }) => mux.streams > 0 && !mux.closed)) await sleep(20);
    await Promise.all(connections.map((connected) => leave(connected)));
    await this.#forwarder.close();
  }

  async dial(): Promise<void> {
    this.#retry = null;
    if (!this.#move("dial", { retryAt: null })) return;
    this.#attempt += 1;
    const config = this.#config;
    // The connection this attempt makes; callbacks of an older one must not speak for it.
    let connected: Connected | null = null;
    let learnt: string | null = null;
    try {
      const known = config.hostKey.kind === "known" ? config.hostKey.key : await pinnedKey(config.hostKey.file, config.edge);
      const open = config.edge.plain ? connectPlain(config.edge.plain, config.otherIdentities ?? [], this.#everOpen) : connect;
      connected = await open({
        edge: config.edge,
        hostKey: known,
        hostKeyFile: config.hostKey.kind === "pin" ? config.hostKey.file : null,
        identity: config.identity,
        hello: {
          agent: "airy",
          name: config.name ?? null,
          ephemeral: config.ephemeral ?? false,
          instance: this.#instance,
          hold: config.hold,
          holdSigned: config.holdSigned,
        },
        onRequest: (stream, head) => this.#forwarder.onRequest(stream, head),
        onGoAway: (goAway) => this.#onGoAway(connected, goAway),
        onStatus: latest(STATUS_MS, ({ held }) => this.#update({ held })),
        onPong: (rttMs) => this.#onPong(Math.round(rttMs * 10) / 10),
        onClose: (error) => this.#onClose(connected, error),
        signal: this.#stop.signal,
      });
      learnt = known === null ? connected.hostKey : null;
    } catch (error) {
      if (connected) connected.connection.destroy();
      this.#onFailure(error);
      return;
    }
    if (connected.mux.closed || this.#status.state !== "connecting") {
      connected.connection.destroy();
      this.#onFailure(new AiryError("SSH_UNREACHABLE", { edge: this.#status.edge, reason: "the connection was lost at once" }));
      return;
    }
    this.#connected = connected;
    this.#openedAt = Date.now();
    if (learnt !== null && config.hostKey.kind === "pin") {
      await pinKey(config.hostKey.file, config.edge, learnt).catch((error: Error) =>
        this.#config.log(`host key not pinned: ${error.message}`),
      );
      config.onFirstContact?.(fingerprint(learnt));
      // It may have gone, or been told to go, while the disk was written.
      if (this.#connected !== connected) return;
    }
    const { url, identifier } = connected.welcome;
    this.#move("welcome", { url, identifier, reason: null, reconnects: this.#status.reconnects + (this.#everOpen ? 1 : 0) });
    this.#everOpen = true;
    connected.mux.ping();
    this.#resolveOpened(this.status());
  }

  #onFailure(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    const failure =
      error instanceof AiryError ? error : new AiryError("SSH_UNREACHABLE", { edge: this.#status.edge, reason: String(error) });
    const { reason } = failure.details;
    this.#config.log(`${failure.code}: ${failure.message} ${typeof reason === "string" ? reason : ""}`.trim());
    if (!REFUSALS.has(failure.code)) {
      this.#schedule(retryDelay(this.#attempt, Date.now() - this.#lostAt, Math.random()), failure.code);
      return;
    }
    if (this.#config.onRefused === "close" || !this.#everOpen) {
      this.#rejectOpened(failure);
      this.#end(failure);
      return;
    }
    this.#schedule(REFUSED_RETRY_MS, failure.code);
  }

  #onClose(connected: Connected | null, error: Error | null): void {
    if (this.#status.state === "closed" || (connected && this.#leaving.delete(connected))) return;
    if (connected === null || this.#connected !== connected) return;
    this.#connected = null;
    this.#lost(error?.message ?? "the edge closed the connection");
    this.#schedule(retryDelay(this.#attempt + 1, Date.now() - this.#lostAt, Math.random()), "EDGE_LOST");
  }

  #onGoAway(connected: Connected | null, { code, retryAfterMs }: GoAway): void {
    if (connected === null || this.#connected !== connected) return;
    this.#connected = null;
    this.#leaving.add(connected);
    if (code === "TAKEN_OVER") {
      this.#config.log("TAKEN_OVER: a newer client with the same key serves this name now");
      const error = new AiryError("TAKEN_OVER", { identifier: connected.welcome.identifier });
      this.#stopWith(error);
      // Whoever waits for the end may end the process: not before the edge has closed a connection that still carries answers.
      connected.connection.onClose(() => this.#resolveClosed(error));
      return;
    }
    this.#lost(`the edge said ${code}`);
    this.#schedule(retryAfterMs, code);
  }

  /** The first measurement is news; later ones are there for whoever asks. */
  #onPong(rttMs: number): void {
    if (this.#status.rttMs === null) this.#update({ rttMs });
    else this.#status.rttMs = rttMs;
  }

  #onWake(what: "sleep" | "network"): void {
    this.#config.log(what === "sleep" ? "this machine slept" : "this machine's network has changed");
    this.#connected?.connection.suspect(WAKE_GRACE_MS);
    if (!this.#retry) return;
    clearTimeout(this.#retry);
    this.#attempt = 0;
    void this.dial();
  }

  /** The connection is gone: the attempts are counted afresh, unless it was hardly there. */
  #lost(why: string): void {
    this.#config.log(`EDGE_LOST: ${inertText(why)}`);
    if (Date.now() - this.#openedAt > STABLE_MS) this.#attempt = 0;
    this.#lostAt = Date.now();
  }

  #schedule(delayMs: number, reason: string): void {
    if (!this.#move("fail", { retryAt: new Date(Date.now() + delayMs).toISOString(), reason })) return;
    this.#retry = setTimeout(() => void this.dial(), delayMs);
  }

  #end(error: AiryError | null): void {
    if (!this.#stopWith(error)) return;
    this.#resolveClosed(error);
    // What the connection that was left still has in flight needs the local service a little longer.
    setTimeout(() => void this.#forwarder.close(), CLOSE_GRACE_MS).unref();
  }

  /** Nothing new from here on; false when it was so already. */
  #stopWith(error: AiryError | null): boolean {
    if (!this.#move("stop", { retryAt: null, reason: error?.code ?? null })) return false;
    if (this.#retry) clearTimeout(this.#retry);
    this.#stop.abort();
    this.#stopWatching();
    clearInterval(this.#measuring);
    this.#rejectOpened(error ?? new AiryError("INTERRUPTED", { signal: "the order to stop" }));
    return true;
  }

  #move(event: TunnelEvent, change: Partial<TunnelStatus>): boolean {
    const state = next(this.#status.state, event);
    if (state === null) return false;
    this.#update({ ...change, state, since: new Date().toISOString() });
    return true;
  }

  #update(change: Partial<TunnelStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.#config.onStatus(this.status());
  }
}

/** Ends the channel, so that the edge knows we left on purpose, and then the connection. */
function leave({ mux, connection }: Connected): Promise<void> {
  return new Promise((resolve) => {
    connection.onClose(() => resolve());
    mux.end();
    setTimeout(() => connection.end(), 20);
  });
}
