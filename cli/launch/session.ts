/** One `airy up` from the outside: the lock of the workspace, the journal of events, the user's patience, and the start in it. */
import { mkdir } from "node:fs/promises";
import { findAgent } from "../agent/record.ts";
import { readConfig, writeDefaultConfig } from "../config/config.ts";
import { exposedSecrets } from "../config/exposed.ts";
import { acquireLock } from "../config/lock.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { prepareStateDir, readState } from "../config/state.ts";
import { claimStateDir } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { AiryError, asAiryError, errorBody, fail } from "../errors.ts";
import type { AiryEvent, AiryEventBody, Emit, EngineName } from "../events.ts";
import { appendBounded, tailLines } from "../io/files.ts";
import { inertJson } from "../io/inert.ts";
import { loadEngine } from "../platform/engines.ts";
import { withLog } from "./last-lines.ts";
import { launch, type Launched } from "./launch.ts";
import { createPatience } from "./patience.ts";
import type { Asked } from "./prepare.ts";

const TIMEOUT_S = 120;
/** Airy's own charts allow ten minutes. */
const CORE_TIMEOUT_S = 600;
const EVENTS_BYTES = 4_000_000;
/** What an agent process still writes after it has failed. */
const NOTED_LINES = 50;

export interface SessionInput {
  /** The options of `airy up`; `timeout` in seconds, default 120. */
  asked: Asked & { timeout: number | undefined };
  ctx: Context;
  paths: WorkspacePaths;
  interrupt: AbortSignal;
  show: (event: AiryEvent) => void;
}

/** Configuration first, so that a mistake there changes nothing; then the start, under the lock of the workspace. */
export async function runSession({ asked, ctx, paths, interrupt, show }: SessionInput): Promise<Launched> {
  const { io, out } = ctx;
  const began = io.now();
  const lineOf = (event: AiryEvent): string => `${inertJson(out.masked(JSON.stringify(event)))}\n`;
  // The journal has one writer at a time: two would each move the file aside when it is full, the second over the first.
  let writer: "launcher" | "agent" = "launcher";
  const record = (line: string): void => {
    try {
      appendBounded(paths.events, line, EVENTS_BYTES);
    } catch {
      // A disk that is full is no reason not to start; nor is a folder that is not there yet.
    }
  };
  // The agent process writes down its own end. Where there is none, `airy status` would know of nothing.
  const noteFailure = async (failure: AiryError): Promise<void> => {
    if (failure.code === "INTERRUPTED" || (await findAgent(paths).catch(() => null)) !== null || (await isNoted(paths, began))) return;
    record(lineOf(out.stamp({ type: "failed", error: errorBody(failure) })));
  };
  const config = await readConfig(paths.config, io.env).catch(async (error: unknown) => {
    await noteFailure(asAiryError(error));
    throw error;
  });
  await mkdir(paths.root, { recursive: true }).catch((error: Error) =>
    fail("WORKSPACE_NOT_WRITABLE", { dir: paths.root, reason: error.message }),
  );
  const { copyOf } = await claimStateDir(paths, io);
  await prepareStateDir(paths);
  const lock = await acquireLock(paths.lock, "up", io);
  const edition = asked.edition ?? config.edition ?? (await readState(paths).catch(() => null))?.edition;
  const seconds = asked.timeout ?? (edition === "core" ? CORE_TIMEOUT_S : TIMEOUT_S);
  let waitingFor = "the checks";
  const patience = createPatience([interrupt], seconds * 1000, () => new AiryError("READY_TIMEOUT", { seconds, waitingFor }));
  const note = (event: AiryEvent): void => {
    if (event.type === "step" && event.state === "running") waitingFor = event.id;
    show(event);
  };
  const emit: Emit = (body) => {
    const event = out.stamp(body);
    if (writer === "launcher") record(lineOf(event));
    note(event);
  };
  let engine: EngineName | null = null;
  try {
    if (await writeDefaultConfig(paths.config)) out.note(`Wrote ${paths.config}`);
    if (copyOf !== null) emit(await copyNotice(paths, copyOf));
    const exposed = await exposedSecrets(paths.config);
    if (exposed) emit({ type: "warning", code: "SECRET_READABLE", ...exposed });
    return await launch({
      asked,
      config,
      paths,
      io,
      build: ctx.build,
      emit,
      relay: note,
      signal: patience.signal,
      hide: (secret) => out.hide(secret),
      chosen: (name) => (engine = name),
      handOver: (to) => void (writer = to),
      unhurried: patience.unhurried,
    });
  } catch (error) {
    const failure = asAiryError(error);
    await noteFailure(failure);
    throw engine === null ? failure : await withLog(failure, await loadEngine(engine, io, await readState(paths)), paths.root);
  } finally {
    patience.release();
    await lock.release();
  }
}

/** Whether the agent process has said so since then. */
async function isNoted(paths: WorkspacePaths, since: Date): Promise<boolean> {
  const lines = await tailLines(paths.events, NOTED_LINES).catch(() => []);
  return lines.some((line) => line.includes('"type":"failed"') && (/"at":"([^"]+)"/.exec(line)?.[1] ?? "") >= since.toISOString());
}

/** What a copy keeps and what it leaves to the original, said once. */
async function copyNotice(paths: WorkspacePaths, original: { root: string; running: boolean }): Promise<AiryEventBody> {
  const { engine } = await readState(paths);
  const torn = original.running ? " (while its database ran, so that the last ones may be damaged)" : "";
  const messages = engine === "docker" ? "the messages stay with it" : `the messages were copied${torn}`;
  return {
    type: "warning",
    code: "WORKSPACE_COPIED",
    message:
      `This folder was copied from ${original.root}. From now on it is a workspace of its own: ${messages}, ` +
      "and its public URL, ports, webhook and background process are new, because the original goes on using its own.",
  };
}
