/** Logs of containers, one stream out of several, oldest first. */
import { setTimeout as delay } from "node:timers/promises";
import type { LogLine } from "../platform.ts";
import { listContainers, type Container } from "./containers.ts";
import type { Engine } from "./engine.ts";

const pollMs = 400;

interface Options {
  service: string | null;
  /** Lines of each service. */
  tail: number;
  follow: boolean;
  signal: AbortSignal;
}

interface TimedLine extends LogLine {
  /** As the engine gives it, with nanoseconds. */
  time: string;
}

/** With `follow` the engine is asked again and again, so that containers that are restarted or replaced stay in view. */
export async function* projectLogs(engine: Engine, project: string, options: Options): AsyncGenerator<LogLine> {
  const seen = new Map<string, string>(); // container -> time of its last line
  for (let first = true; first || (options.follow && !options.signal.aborted); first = false) {
    if (!first) await delay(pollMs, undefined, { signal: options.signal }).catch(() => undefined);
    if (!first && options.signal.aborted) return;
    const containers = (await listContainers(engine, project)).filter(({ service }) => !options.service || service === options.service);
    const read = await Promise.all(
      containers.map(async (container) => {
        const since = seen.get(container.id);
        const lines = (await containerLog(engine, container, { tail: first ? options.tail : null, since })).filter(
          (line) => since === undefined || line.time > since,
        );
        const last = lines.at(-1)?.time;
        if (last !== undefined) seen.set(container.id, last);
        return lines;
      }),
    );
    const lines = read.flat().sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    for (const { service, at, line } of lines) yield { service, at, line };
  }
}

/** The last lines of one container. */
export async function logTail(engine: Engine, container: Container, tail: number): Promise<string[]> {
  return (await containerLog(engine, container, { tail })).map(({ line }) => line);
}

async function containerLog(engine: Engine, container: Container, options: { tail: number | null; since?: string }): Promise<TimedLine[]> {
  const query = new URLSearchParams({ stdout: "1", stderr: "1", timestamps: "1", tail: String(options.tail ?? "all") });
  if (options.since !== undefined) query.set("since", unixTime(options.since));
  const body = await engine.get(`/containers/${container.id}/logs?${query}`, { timeoutMs: 30_000 });
  return body ? parseLog(body, container.service) : [];
}

/**
 * Frames of stdout and stderr: 1 byte stream, 3 bytes nothing, 4 bytes length, then text that begins with a time.
 * https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
export function parseLog(body: Buffer, service: string): TimedLine[] {
  const lines: TimedLine[] = [];
  for (let at = 0; at + 8 <= body.length;) {
    const end = at + 8 + body.readUInt32BE(at + 4);
    const text = body.toString("utf8", at + 8, end);
    at = end;
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const space = line.indexOf(" ");
      const time = line.slice(0, space);
      lines.push({ service, time, at: new Date(time).toISOString(), line: line.slice(space + 1).replace(/\r$/, "") });
    }
  }
  return lines;
}

/** `2026-01-02T03:04:05.678901234Z` -> `1767323045.678901234`, which `since` takes. */
function unixTime(time: string): string {
  return `${Math.floor(Date.parse(time) / 1000)}.${/\.(\d+)Z$/.exec(time)?.[1] ?? "0"}`;
}
