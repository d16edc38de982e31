/**
 * What can happen to a webhook that waits, as tables; pure. `drainer.ts` does what comes out, `cli/tunnel/ordered.ts` is the other end.
 *
 * Webhooks are sent in order, some ahead, and the agent takes them to the local service one at a time. One that fails is tried again before
 * anything behind it. The one exception: the edge cannot tell a stranger's forgery from a webhook; the service answers it with 401 or 403
 * ("refused"). Those behind it go on at once, and the refused ones wait. When another one is accepted, the refused ones are tried once
 * more and set aside if they are refused again: the service has the right secret, so they were forged. While nothing at all is accepted,
 * the secret may be wrong: everything stays, and is tried again in order after a pause.
 */
import { backoff } from "./policy.ts";

/** How the queue is gone over. */
type Pass =
  /** Each for the first time. */
  | "forward"
  /** Those that were refused, because another one has been accepted since. */
  | "judging"
  /** Those that were refused, after a pause in which nothing was accepted. */
  | "again";

/** What became of one that was sent. */
export type Outcome =
  /** 2xx. */
  | "accepted"
  /** 401 or 403. */
  | "refused"
  /** 401 or 403, and nothing else for so long that it is the service's verdict. */
  | "outlasted"
  /** Another verdict of the service that repeating does not change. */
  | "rejected"
  /** Unavailable, or no answer at all: the service may take it later. */
  | "failed"
  /** The connection ended while the service may have had it. */
  | "lost"
  /** The agent gave it back. */
  | "untried"
  /** It cannot be sent at all. */
  | "unsendable";

interface Row {
  /** `keep`: it stays where it is; `count`: as well, and this attempt is counted. */
  webhook: "deliver" | "setAside" | "count" | "keep";
  /** `onward`: those sent behind it are under way. `restart`: they are taken back and sent again, `later`: after a pause. */
  queue: "onward" | "restart" | "later";
}

const always = {
  accepted: { webhook: "deliver", queue: "onward" },
  outlasted: { webhook: "setAside", queue: "onward" },
  rejected: { webhook: "setAside", queue: "restart" },
  failed: { webhook: "count", queue: "later" },
  lost: { webhook: "count", queue: "restart" },
  untried: { webhook: "keep", queue: "restart" },
  unsendable: { webhook: "setAside", queue: "onward" },
} as const satisfies Partial<Record<Outcome, Row>>;

const table: Record<Pass, Record<Outcome, Row>> = {
  forward: { ...always, refused: { webhook: "count", queue: "onward" } },
  judging: { ...always, refused: { webhook: "setAside", queue: "onward" } },
  again: { ...always, refused: { webhook: "count", queue: "onward" } },
};

/** A connection of the tunnel, and how many webhooks may be sent ahead on it. */
interface Line {
  id: number;
  ahead: number;
}

interface Waiting {
  id: string;
  position: number;
}

interface Sent extends Waiting {
  /** Id of the {@link Line}. */
  line: number;
}

export interface Drain {
  readonly line: Line | null;
  /** Sent and not answered, in order; the first one is at the local service. */
  readonly window: readonly Sent[];
  readonly pass: Pass;
  /** Positions of the last one that was sent in this pass, and of the last one that is settled in it. */
  readonly sent: number;
  readonly settled: number;
  /** All up to this position have been tried: what waits there was refused. */
  readonly frontier: number;
  /** Behind the frontier there may be something. */
  readonly untried: boolean;
  /** Up to the frontier there may be something. */
  readonly refused: boolean;
  /** One of this pass was refused. */
  readonly refusedNow: boolean;
  /** The store has nothing more for this pass. */
  readonly exhausted: boolean;
  /** One was accepted after others were refused. */
  readonly judge: boolean;
  /** Where the pass `again` goes on: what comes for the first time goes before it. */
  readonly againFrom: number;
  /** The pause before the pass `again`. */
  readonly round: "none" | "pausing" | "due";
  /** The pause after a failure. */
  readonly paused: boolean;
  /** The read that is under way. */
  readonly reading: number | null;
  readonly reads: number;
  /** Live requests that were stored while the local service still has them: until it is known what became of them, nothing is sent. */
  readonly live: number;
  /** In a row. */
  readonly failures: number;
  readonly rounds: number;
  readonly closed: boolean;
}

export const EMPTY_DRAIN: Drain = {
  line: null,
  window: [],
  pass: "forward",
  sent: 0,
  settled: 0,
  frontier: 0,
  untried: true,
  refused: false,
  refusedNow: false,
  exhausted: false,
  judge: false,
  againFrom: 0,
  round: "none",
  paused: false,
  reading: null,
  reads: 0,
  live: 0,
  failures: 0,
  rounds: 0,
  closed: false,
};

export type DrainEvent =
  | { type: "connected"; line: Line }
  | { type: "disconnected" }
  /** Something was put at the end of the queue. */
  | { type: "stored" }
  | { type: "liveStarted" }
  | { type: "liveEnded" }
  | { type: "read"; read: number; found: readonly Waiting[] }
  | { type: "unreadable"; read: number }
  | { type: "settled"; id: string; outcome: Outcome }
  | { type: "pauseOver" }
  | { type: "roundOver" }
  | { type: "closed" };

export type DrainAction =
  /** Of the store: what waits behind a position. */
  | { type: "read"; read: number; after: number; limit: number }
  /** `first`: nothing is under way before it. */
  | { type: "send"; id: string; first: boolean }
  | { type: "deliver" | "setAside" | "count" | "takeBack"; id: string }
  /** `pauseOver`, or `roundOver`, has to come in so many milliseconds. */
  | { type: "pause" | "pauseRound"; ms: number };

const UNREADABLE_MS = 1_000;

export function step(before: Drain, event: DrainEvent): { drain: Drain; actions: DrainAction[] } {
  if (before.closed) return { drain: before, actions: [] };
  const actions: DrainAction[] = [];
  const drain = proceed(react(before, event, actions), actions);
  return { drain, actions };
}

function react(drain: Drain, event: DrainEvent, actions: DrainAction[]): Drain {
  switch (event.type) {
    case "connected":
      return connect(unread(drain), event.line);
    case "disconnected":
      return { ...unread(drain), line: null };
    case "stored":
      return { ...drain, untried: true, exhausted: drain.pass !== "forward" && drain.exhausted };
    case "liveStarted":
      return { ...unread(drain), live: drain.live + 1 };
    case "liveEnded":
      return { ...drain, live: drain.live - 1, untried: true };
    case "read":
      return drain.reading === event.read ? send({ ...drain, reading: null }, event.found, actions) : drain;
    case "unreadable":
      if (drain.reading !== event.read) return drain;
      actions.push({ type: "pause", ms: UNREADABLE_MS });
      return { ...unread(drain), paused: true };
    case "settled":
      return settle(drain, event.id, event.outcome, actions);
    case "pauseOver":
      return { ...drain, paused: false };
    case "roundOver":
      return drain.round === "pausing" ? { ...drain, round: "due" } : drain;
    case "closed":
      for (const { id } of drain.window) actions.push({ type: "takeBack", id });
      return { ...drain, window: [], closed: true };
  }
}

/** Another client, and perhaps another service: no reason to wait any longer, nor to call anything forged that another one refused. */
function connect(drain: Drain, line: Line): Drain {
  const pass = drain.pass === "judging" ? "again" : drain.pass;
  const round = drain.refused ? "due" : "none";
  return { ...drain, line, pass, round, judge: false, paused: false, failures: 0, rounds: 0 };
}

/** What is being read comes too late. */
function unread(drain: Drain): Drain {
  if (drain.reading === null) return drain;
  return { ...drain, reading: null, untried: drain.untried || drain.pass === "forward" };
}

function send(drain: Drain, found: readonly Waiting[], actions: DrainAction[]): Drain {
  const { line, pass, frontier } = drain;
  const wanted = pass === "forward" ? found : found.filter(({ position }) => position <= frontier);
  const last = wanted.at(-1);
  if (!last || !line) return { ...drain, exhausted: true };
  for (const [index, { id }] of wanted.entries()) actions.push({ type: "send", id, first: drain.window.length + index === 0 });
  const window = [...drain.window, ...wanted.map(({ id, position }) => ({ id, position, line: line.id }))];
  return { ...drain, window, sent: last.position, untried: drain.untried || pass === "forward" };
}

function settle(drain: Drain, id: string, seen: Outcome, actions: DrainAction[]): Drain {
  const one = drain.window.find((sent) => sent.id === id);
  if (!one) return drain;
  const first = drain.window[0] === one;
  // Only the first one can have reached the local service.
  const outcome = !first && (seen === "failed" || seen === "lost") ? "untried" : seen;
  const { webhook, queue } = table[drain.pass][outcome];
  if (webhook !== "keep") actions.push({ type: webhook, id });
  const settled = first && (queue === "onward" || webhook === "setAside") ? one.position : drain.settled;
  const answered: Drain = {
    ...drain,
    // Nothing more is sent on a connection that is gone, whether we have been told that it is or not.
    line: outcome === "lost" && drain.line?.id === one.line ? null : drain.line,
    settled,
    frontier: drain.pass === "forward" ? settled : drain.frontier,
    refused: drain.refused || outcome === "refused",
    refusedNow: drain.refusedNow || outcome === "refused",
    judge: drain.judge || (outcome === "accepted" && drain.refused && drain.pass !== "judging"),
    failures: queue === "later" ? drain.failures + 1 : queue === "onward" ? 0 : drain.failures,
    rounds: outcome === "accepted" ? 0 : drain.rounds,
  };
  const behind = drain.window.filter((sent) => sent !== one);
  if (queue === "onward") return { ...answered, window: behind };
  for (const { id: back } of behind) actions.push({ type: "takeBack", id: back });
  if (queue === "later") actions.push({ type: "pause", ms: backoff(answered.failures) });
  return {
    ...unread(answered),
    window: [],
    sent: settled,
    exhausted: false,
    untried: answered.untried || drain.pass === "forward",
    paused: queue === "later",
  };
}

/** Goes on where there is nothing to wait for. */
function proceed(before: Drain, actions: DrainAction[]): Drain {
  const { line, live, paused, reading, closed } = before;
  if (closed || !line || live > 0 || paused || reading !== null) return before;
  const drain = before.window.length === 0 ? nextPass(before, actions) : before;
  const { window, pass, sent, reads } = drain;
  // What was sent ahead on an older connection comes first: it is answered there, or taken back when that connection ends.
  if (window[0] && window[0].line !== line.id) return drain;
  // Before the pass changes, everything that is under way comes to its end.
  if (window.length > 0 && (drain.exhausted || drain.judge || (pass === "again" && drain.untried))) return drain;
  if (pass === "forward" && !drain.untried) return drain;
  // In batches, so that the store is not asked for every single one.
  if (window.length > line.ahead / 2) return drain;
  actions.push({ type: "read", read: reads + 1, after: sent, limit: line.ahead - window.length });
  return { ...drain, reading: reads + 1, reads: reads + 1, exhausted: false, untried: drain.untried && pass !== "forward" };
}

/** Nothing is under way: which way the queue is gone over now. */
function nextPass(drain: Drain, actions: DrainAction[]): Drain {
  const { pass, frontier, exhausted } = drain;
  if (drain.judge) return begin({ ...drain, judge: false, round: "none" }, "judging", 0);
  if (pass === "judging" && !exhausted) return drain;
  if (pass === "judging") return nextPass(begin({ ...drain, refused: false, againFrom: 0, untried: true }, "forward", frontier), actions);
  if (pass === "again" && exhausted) {
    const refused = drain.refusedNow || drain.againFrom > 0;
    return nextPass(begin({ ...drain, refused, againFrom: 0, round: "none" }, "forward", frontier), actions);
  }
  if (drain.untried) return pass === "forward" ? drain : begin({ ...drain, againFrom: drain.settled }, "forward", frontier);
  if (pass === "again" || !drain.refused) return drain;
  if (drain.round === "due") return begin(drain, "again", drain.againFrom);
  if (drain.round === "pausing") return drain;
  actions.push({ type: "pauseRound", ms: backoff(drain.rounds + 1) });
  return { ...drain, round: "pausing", rounds: drain.rounds + 1 };
}

function begin(drain: Drain, pass: Pass, after: number): Drain {
  return { ...drain, pass, sent: after, settled: after, exhausted: false, refusedNow: false };
}
