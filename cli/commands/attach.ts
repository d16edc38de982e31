/** `airy attach`: the dashboard of what runs, in another terminal; in lines or NDJSON where there is none. */
import { requireAnswer } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import type { AiryEvent } from "../events.ts";
import { joinSignals } from "../io/signals.ts";
import { createLines, statusText } from "../report/lines.ts";
import { canRender } from "../tui/terminal.ts";
import { afterDashboard, deckOf, feedFrom } from "./dashboard.ts";
import { createFeed } from "./feed.ts";
import type { Options } from "./table.ts";

/** Throws NOT_RUNNING, AGENT_SILENT. */
export async function runAttach(options: Options<"attach">, ctx: Context): Promise<void> {
  const { io } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const agent = (await findAgent(paths)) ?? fail("NOT_RUNNING", { workspace: paths.root });
  await requireAnswer(agent);
  const feed = createFeed<AiryEvent>();
  const left = new AbortController();
  const over = joinSignals([ctx.signal, left.signal]);
  const following = feedFrom(agent, feed, ctx, over.signal).finally(feed.end);
  following.catch(() => {});
  try {
    const env = { ...io.env, AIRY_UI: options.ui };
    if (options.json || !canRender({ isTTY: io.tty.stdin }, { isTTY: io.tty.stdout, ...io.tty }, env)) {
      return await print(feed.events, ctx);
    }
    const { runDashboard } = await import("../tui/app.tsx");
    const result = await runDashboard({
      events: feed.events,
      mode: "attached",
      deck: deckOf(paths, ctx),
      stdin: io.stdin,
      stdout: io.terminal,
      env: io.env,
      signal: ctx.signal,
    });
    left.abort();
    await following;
    await afterDashboard(result, paths, ctx);
  } finally {
    left.abort();
    over.release();
  }
}

/** What comes from now on, after how all is now. */
async function print(events: AsyncIterable<AiryEvent>, { out, signal }: Context): Promise<void> {
  const lines = createLines();
  let present = false;
  for await (const event of events) {
    out.item(event);
    const line = lines.line(event);
    if (event.type === "ready" && !present) {
      present = true;
      out.line(statusText(event.status));
    } else if (present && line !== null) out.line(line);
    if (event.type === "stopped") break;
  }
  out.result({ ended: signal.aborted ? "left" : "stopped" }, { text: signal.aborted ? "Everything keeps running." : "Stopped." });
}
