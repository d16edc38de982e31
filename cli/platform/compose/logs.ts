/** The logs of a project's containers: as they are, as they grow, and what was kept of them when they were removed. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import type { Engine } from "../../docker/engine.ts";
import { listenToContainers } from "../../docker/events.ts";
import { writeAtomic } from "../../io/files.ts";
import { logFileOf } from "../embedded/logs.ts";
import type { LogLine } from "../platform.ts";
import { listContainers, type Container } from "./containers.ts";

/** Of each service, when its container is removed. */
const KEPT_LINES = 5000;

interface Options {
  service: string | null;
  tail: number;
  signal: AbortSignal;
}

/** The last lines of all containers, in the order of their times. */
export async function projectLogs(engine: Engine, project: string, options: Options): Promise<LogLine[]> {
  const containers = await containersOf(engine, project, options.service);
  const read = await Promise.all(containers.map((container) => containerLog(engine, container, options.tail)));
  return read.flat().sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

/** What is written from now on; containers that are started later join in. Ends with the signal, or when the engine does. */
export async function* followLogs(engine: Engine, project: string, { service, signal }: Omit<Options, "tail">): AsyncGenerator<LogLine> {
  const queue: LogLine[] = [];
  const streams = new Map<string, Readable>();
  let resume: () => void = () => {};
  let over = false;
  const end = (): void => {
    over = true;
    resume();
  };
  const follow = async (id: string, name: string, from: { tail: number } | { since: number }): Promise<void> => {
    if (streams.has(id) || (service !== null && name !== service)) return;
    const options = { follow: true as const, stdout: true, stderr: true, timestamps: true, ...from };
    const stream = (await engine.ask((docker) => docker.getContainer(id).logs(options))) as Readable | null;
    if (!stream) return;
    streams.set(id, stream);
    const parser = createLogParser(name);
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => {
      queue.push(...parser(chunk));
      resume();
    });
    stream.on("close", () => streams.delete(id));
  };
  const stop = await listenToContainers(engine, project, {
    onEvent: (event) => {
      if (event.action === "start") void follow(event.id, event.service, { since: Math.floor(Date.now() / 1000) }).catch(() => {});
    },
    onEnd: end,
  });
  signal.addEventListener("abort", end);
  try {
    for (const { id, service: name } of await containersOf(engine, project, service)) await follow(id, name, { tail: 0 });
    while (!signal.aborted) {
      const line = queue.shift();
      if (line) yield line;
      else if (over) return;
      else await new Promise<void>((resolve) => (resume = resolve));
    }
  } finally {
    signal.removeEventListener("abort", end);
    stop();
    for (const stream of streams.values()) stream.destroy();
  }
}

/** Writes what the containers have logged where `airy logs` finds it when they are gone. */
export async function keepLogs(engine: Engine, project: string, workspace: string): Promise<void> {
  for (const container of await listContainers(engine, project)) {
    const lines = await containerLog(engine, container, KEPT_LINES);
    const file = logFileOf(workspace, container.service);
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await writeAtomic(file, lines.map(({ at, line }) => `${at ?? ""} ${line}\n`).join(""));
  }
}

/** The last lines of one container. */
export async function logTail(engine: Engine, container: Pick<Container, "id" | "service">, tail: number): Promise<string[]> {
  return (await containerLog(engine, container, tail)).map(({ line }) => line);
}

async function containersOf(engine: Engine, project: string, service: string | null): Promise<Container[]> {
  return (await listContainers(engine, project)).filter((container) => service === null || service === container.service);
}

interface TimedLine extends LogLine {
  /** As the engine gives it, with nanoseconds. */
  time: string;
}

async function containerLog(engine: Engine, { id, service }: Pick<Container, "id" | "service">, tail: number): Promise<TimedLine[]> {
  const options = { follow: false as const, stdout: true, stderr: true, timestamps: true, tail };
  const body = await engine.ask((docker, abortSignal) => docker.getContainer(id).logs({ ...options, abortSignal }), { timeoutMs: 30_000 });
  return body ? createLogParser(service)(Buffer.from(body)) : [];
}

/**
 * Frames of stdout and stderr: 1 byte stream, 3 bytes nothing, 4 bytes length, then text that begins with a time; they arrive in any
 * pieces. https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
 */
export function createLogParser(service: string): (chunk: Buffer) => TimedLine[] {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const lines: TimedLine[] = [];
    for (;;) {
      const end = rest.length < 8 ? Infinity : 8 + rest.readUInt32BE(4);
      if (rest.length < end) return lines;
      for (const line of rest.toString("utf8", 8, end).split("\n")) if (line !== "") lines.push(lineOf(service, line));
      rest = rest.subarray(end);
    }
  };
}

function lineOf(service: string, line: string): TimedLine {
  const space = line.indexOf(" ");
  const time = line.slice(0, space);
  const at = Number.isNaN(Date.parse(time)) ? null : new Date(time).toISOString();
  return { service, time, at, line: line.slice(space + 1).replace(/\r$/, "") };
}
