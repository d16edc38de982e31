/** `airy logs`: the services' logs, and that of the agent process under the name `agent`. */
import { once } from "node:events";
import { openWorkspace } from "../config/workspace.ts";
import { profileNames } from "../config/core.ts";
import { readState } from "../config/state.ts";
import { tailLines } from "../io/files.ts";
import { readLogs } from "../platform/embedded/logs.ts";
import { loadEngine } from "../platform/engines.ts";
import { oneShots } from "../platform/compose/core/profiles.ts";
import { servicesOf, type LogLine } from "../platform/platform.ts";
import { asAiryError, fail, whyOf } from "../errors.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

const TAIL = 100;
/** With --since or --grep and without --tail: what is looked through of each service. */
const FILTERED_TAIL = 200_000;

/** Throws INVALID_ARGUMENT for a service that does not exist, and for a time or pattern that is none. */
export async function runLogs(options: Options<"logs">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const wanted = createFilter(options, io.now());
  const paths = await openWorkspace(io, options.workspace);
  const state = await readState(paths);
  const { service = null } = options;
  if (service !== null && service !== "agent") requireService(service);
  const engine = state.engine && service !== "agent" ? await loadEngine(state.engine, io, state) : null;
  const withAgent = service === null || service === "agent";
  const filtered = options.since !== undefined || options.grep !== undefined;
  const tail = options.tail ?? (filtered ? FILTERED_TAIL : TAIL);
  const read = filtered ? FILTERED_TAIL : tail;
  const lines: LogLine[] = [];
  const told = { count: 0 };
  const tell = ({ service: from, at, line }: LogLine): void => {
    told.count += 1;
    out.item({ type: "log", service: from, at, line });
    out.line(service === null ? `${from} | ${line}` : line);
  };
  if (engine) {
    try {
      for await (const line of engine.logs(paths.root, { service, tail: read, follow: false, signal: ctx.signal })) lines.push(line);
    } catch (error) {
      // What is on this machine's disk can be shown all the same.
      const failure = asAiryError(error);
      if (failure.code === "INTERNAL") throw error;
      out.warn({ code: failure.code, message: `${failure.message} ${whyOf(failure)} The containers' logs are missing here.` });
    }
  }
  if (withAgent) {
    for (const text of await tailLines(paths.agentLog, read)) lines.push(agentLine(text));
  }
  const found = inOrder(lines).filter(wanted);
  for (const line of found.slice(tail === 0 ? found.length : -tail)) tell(line);
  if (options.follow) {
    const sources = [
      ...(engine ? [engine.logs(paths.root, { service, tail: 0, follow: true, signal: ctx.signal })] : []),
      ...(withAgent ? [agentNews(paths.root, ctx.signal)] : []),
    ];
    for await (const line of merged(sources)) {
      if (wanted(line)) tell(line);
      // A reader that has stopped stops us, and not our memory.
      if (io.terminal.writableNeedDrain) await once(io.terminal, "drain", { signal: ctx.signal }).catch(() => {});
    }
  }
  const none = told.count === 0 && !options.follow;
  const why = lines.length > 0 ? "No log line is of that kind." : "There are no log lines.";
  out.result({ lines: told.count }, none ? { text: why, hint: state.engine === null ? "airy was not started here: airy up" : "" } : {});
}

/** A line without a time is of the time of the one before it. */
function createFilter({ since, grep }: Pick<Options<"logs">, "since" | "grep">, now: Date): (line: LogLine) => boolean {
  const from = since === undefined ? null : startOf(since, now);
  const pattern = grep === undefined ? null : patternOf(grep);
  const last = new Map<string, string>();
  return ({ service, at, line }) => {
    if (at !== null) last.set(service, at);
    if (from !== null && (last.get(service) ?? "") < from) return false;
    return pattern === null || pattern.test(line);
  };
}

/** `30s`, `10m`, `2h`, `1d` before now, or a time that JavaScript reads; as ISO time. */
function startOf(since: string, now: Date): string {
  const ago = /^(\d{1,6})([smhd])$/.exec(since);
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[ago?.[2] ?? ""];
  const time = ago && unit ? now.getTime() - Number(ago[1]) * unit : Date.parse(since);
  if (Number.isNaN(time) || (!ago && !/\d{4}-\d\d-\d\d/.test(since))) {
    return fail("INVALID_ARGUMENT", { command: "logs", reason: `--since is like 30s, 10m, 2h, 1d or 2026-01-31T10:00; got "${since}".` });
  }
  return new Date(time).toISOString();
}

/** Capital letters count where there is one in the pattern. */
function patternOf(grep: string): RegExp {
  try {
    return new RegExp(grep, /\p{Lu}/u.test(grep.replaceAll(/\\./g, "")) ? "u" : "iu");
  } catch {
    return fail("INVALID_ARGUMENT", { command: "logs", reason: `--grep "${grep}" is not a regular expression.` });
  }
}

async function* agentNews(root: string, signal: AbortSignal): AsyncGenerator<LogLine> {
  for await (const line of readLogs(root, ["agent"], { service: "agent", tail: 0, follow: true, signal })) yield line;
}

/** What any of them yields, as it comes, until all have ended. */
async function* merged(sources: readonly AsyncIterable<LogLine>[]): AsyncGenerator<LogLine> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const next = (iterator: AsyncIterator<LogLine>) => iterator.next().then((result) => ({ iterator, result }));
  const pending = new Map(iterators.map((iterator) => [iterator, next(iterator)]));
  while (pending.size > 0) {
    const { iterator, result } = await Promise.race(pending.values());
    if (result.done) pending.delete(iterator);
    else {
      pending.set(iterator, next(iterator));
      yield result.value;
    }
  }
}

function requireService(service: string): void {
  const known = [...new Set([...servicesOf(true, null), ...servicesOf(true, profileNames), ...oneShots])];
  if (known.includes(service)) return;
  fail("INVALID_ARGUMENT", {
    command: "logs",
    reason: `There is no service "${service}" here; there are: ${[...known, "agent"].join(", ")}.`,
  });
}

/** By time; a line without one stays behind the line before it. */
function inOrder(lines: readonly LogLine[]): LogLine[] {
  let last = "";
  const timed = lines.map((line) => ({ line, at: (last = line.at ?? last) }));
  return timed.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)).map(({ line }) => line);
}

/** The agent process begins its lines with the time; what Node prints when it dies has none. */
function agentLine(text: string): LogLine {
  const match = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (.*)$/.exec(text);
  return { service: "agent", at: match?.[1] ?? null, line: match?.[2] ?? text };
}
