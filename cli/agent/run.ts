/** The agent process of a workspace: control API first, then its part of the start, then watch until told to stop. */
import type { Context } from "../context.ts";
import { workspacePaths } from "../config/paths.ts";
import { joinSignals } from "../io/signals.ts";
import { AiryError, asAiryError, errorBody, exitCode, whyOf } from "../errors.ts";
import { createAgent } from "./agent.ts";
import { claimWorkspace } from "./claim.ts";
import { startControl } from "./control.ts";
import { createInspector } from "./inspect.ts";
import { createJournal } from "./journal.ts";
import { boundedLog } from "./log.ts";
import { readRecord, removeRecord, writeRecord } from "./record.ts";
import { parseSettings, secretsOf } from "./settings.ts";
import { watchRecord } from "./watch.ts";

/** Runs until `POST /stop` or a signal; the exit code is that of a failed start, else 0. */
export async function runAgent(ctx: Context): Promise<void> {
  const settings = parseSettings(await readAll(ctx.io.stdin));
  for (const secret of secretsOf(settings)) ctx.out.hide(secret);
  const paths = workspacePaths(settings.spec.workspace);
  const log = boundedLog(paths.agentLog, (line) => ctx.out.note(`${ctx.io.now().toISOString()} ${line}`));
  const claim = await claimWorkspace(paths, settings.startId, ctx.io);
  if (!claim) return log("a later start has taken over before this one began");
  const journal = createJournal({ file: paths.events, now: ctx.io.now, secrets: secretsOf(settings), log });
  const stopping = new AbortController();
  const { signal } = joinSignals([ctx.signal, stopping.signal]);
  const agent = await createAgent({ ctx, settings, paths, journal, log: quietly(log), signal });

  const control = await startControl({
    port: settings.controlPort,
    token: agent.record.token,
    journal,
    state: () => agent.status(),
    tunnel: () => agent.tunnel,
    inspector: createInspector({
      target: `http://127.0.0.1:${settings.spec.ports.platform}`,
      appSecret: settings.spec.facebook?.appSecret ?? null,
      secrets: secretsOf(settings),
    }),
    check: (replaceWebhook) => agent.check(replaceWebhook),
    stop: () => stopping.abort(new Error("asked to stop")),
  });
  agent.record.port = control.port;
  await writeRecord(paths, agent.record);
  log(`agent ${ctx.build.version} build ${ctx.build.id} listens on 127.0.0.1:${control.port}`);

  let failure: AiryError | null = null;
  try {
    const target = await agent.start();
    agent.record.phase = "ready";
    await writeRecord(paths, agent.record);
    journal.append({ type: "ready", status: await agent.status() });
    const lost = watchRecord(paths, settings.startId, signal).then(() => {
      if (!signal.aborted) log("the state folder was deleted, or belongs to another start");
      stopping.abort(new Error("nobody could find this process again"));
    });
    await Promise.all([agent.watch(target), lost]);
  } catch (error) {
    if (!signal.aborted) failure = asAiryError(error);
  }
  if (ctx.signal.reason instanceof AiryError && ctx.signal.reason.code === "INTERNAL") failure = ctx.signal.reason;
  agent.record.phase = "stopping";
  // The workspace may have been moved or deleted meanwhile: what runs is stopped all the same.
  const still = await readRecord(paths).catch(() => null);
  if (still?.startId === settings.startId) {
    await writeRecord(paths, agent.record).catch((error: unknown) => log(`agent.json: ${String(error)}`));
  }
  if (failure) {
    log(`failed: ${failure.code} ${failure.message} ${whyOf(failure)}`);
    journal.append({ type: "failed", error: errorBody(failure) });
  }
  await agent.stop();
  if (!failure) journal.append({ type: "stopped" });
  journal.close();
  await control.close();
  await removeRecord(paths, settings.startId);
  await claim.release();
  log("stopped");
  ctx.out.exit = failure ? exitCode(failure) : 0;
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) text += String(chunk);
  return text;
}

/** What is said again and again, as long as an edge is away, is said once; then how often it was. */
function quietly(log: (line: string) => void): (line: string) => void {
  let last = "";
  let again = 0;
  return (line) => {
    if (line === last) return void (again += 1);
    if (again > 0) log(`(${again} more of the same)`);
    last = line;
    again = 0;
    log(line);
  };
}
