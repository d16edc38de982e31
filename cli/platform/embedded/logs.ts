/** The services' log files, `.airy/logs/<service>.log`: each line begins with its time. */
import { closeSync, fstatSync, mkdirSync, writeSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openAppend, readRange, rotate, tailLines } from "../../io/files.ts";
import type { LogLine } from "../platform.ts";

const MAX_BYTES = 10_000_000;
const pollMs = 250;
/** What is read at once of what was written since the last look. */
const newsBytes = 1_000_000;

export interface LogFile {
  line(text: string): void;
  close(): void;
}

export function logFileOf(workspace: string, service: string): string {
  return path.join(workspace, ".airy", "logs", `${service}.log`);
}

/** The services whose log is on disk. */
export async function savedLogs(workspace: string): Promise<string[]> {
  const names = await readdir(path.join(workspace, ".airy", "logs")).catch(() => []);
  const services = names.filter((name) => name.endsWith(".log")).map((name) => name.slice(0, -".log".length));
  return services.filter((service) => service !== "agent");
}

/** Opens a service's log for appending; each line is written at once, so that nothing is missing after a kill. */
export function openLog(workspace: string, service: string): LogFile {
  const file = logFileOf(workspace, service);
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const fd = openAppend(file);
  let size = fstatSync(fd).size;
  let open = true;
  return {
    line(text) {
      if (!open) return;
      const shown = text.trimEnd().replaceAll(/[^\P{Cc}\n\t]/gu, "?");
      const bytes = Buffer.from(`${new Date().toISOString()} ${shown}\n`);
      try {
        if (size > MAX_BYTES) {
          rotate(file, MAX_BYTES);
          size = fstatSync(fd).size;
        }
        size += writeSync(fd, bytes);
      } catch {
        // A full disk must not stop the service whose log this is.
      }
    },
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** The last lines of several services, oldest first; then, with `follow`, what is written from now on, by services too that come later. */
export async function* readLogs(
  workspace: string,
  services: readonly string[],
  options: { service: string | null; tail: number; follow: boolean; signal: AbortSignal },
): AsyncGenerator<LogLine> {
  const sources = services.map((service) => newSource(workspace, service));
  const lines: LogLine[] = [];
  for (const source of sources) {
    const stats = await stat(source.file).catch(() => null);
    source.offset = stats?.size ?? 0;
    const parsed = (await tailLines(source.file, options.tail)).filter(Boolean).map((line) => parseLine(source.service, line));
    // A continuation (a stack trace, a statement) belongs to the time of the line before it.
    let at = "";
    lines.push(...parsed.map((line) => Object.assign(line, { sort: (at = line.at ?? at) })));
  }
  yield* lines
    .sort(byTime)
    .slice(-options.tail)
    .map(({ service, at, line }) => ({ service, at, line }));

  while (options.follow && !options.signal.aborted) {
    await delay(pollMs, undefined, { signal: options.signal }).catch(() => undefined);
    const later = (await savedLogs(workspace)).filter((name) => options.service === null || options.service === name);
    for (const service of later) {
      if (!sources.some((source) => source.service === service)) sources.push(newSource(workspace, service));
    }
    for (const source of sources) yield* news(source);
  }
}

interface Source {
  service: string;
  file: string;
  offset: number;
}

function newSource(workspace: string, service: string): Source {
  return { service, file: logFileOf(workspace, service), offset: 0 };
}

async function* news(source: Source): AsyncGenerator<LogLine> {
  const stats = await stat(source.file).catch(() => null);
  if (!stats) return;
  if (stats.size < source.offset) source.offset = 0; // begun anew
  if (stats.size === source.offset) return;
  // Of more than a reader follows only the end is read, and a line that has no end does not keep the rest back.
  source.offset = Math.max(source.offset, stats.size - newsBytes);
  const bytes = await readRange(source.file, source.offset, stats.size);
  const whole = bytes.subarray(0, bytes.length === newsBytes ? undefined : bytes.lastIndexOf("\n") + 1);
  source.offset += whole.length;
  for (const line of whole.toString().split("\n")) if (line !== "") yield parseLine(source.service, line);
}

const isoTime = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (.*)$/s;
/** Of an earlier airy, whose Postgres wrote its log itself: `%m [%p] `, in UTC. */
const postgresTime = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) UTC (.*)$/s;

function parseLine(service: string, line: string): LogLine {
  const own = isoTime.exec(line);
  if (own) return { service, at: own[1] ?? null, line: own[2] ?? "" };
  const theirs = postgresTime.exec(line);
  if (theirs) return { service, at: `${theirs[1]}T${theirs[2]}Z`, line: theirs[3] ?? "" };
  return { service, at: null, line };
}

function byTime(a: LogLine & { sort?: string }, b: LogLine & { sort?: string }): number {
  return (a.sort ?? "").localeCompare(b.sort ?? "");
}
