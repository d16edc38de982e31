/** `airy reprocess`: conversations made anew from the raw deliveries that the platform keeps. */
import { z } from "zod";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import { adminOf } from "../upkeep/admin.ts";
import type { Options } from "./table.ts";

const step = z.union([
  z.object({ deliveries: z.number(), created: z.number(), changed: z.number(), done: z.boolean() }),
  z.object({ error: z.string() }),
]);

const SAY_EVERY_MS = 2_000;

/** Throws NOT_RUNNING, PLATFORM_REFUSED. */
export async function runReprocess(options: Options<"reprocess">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const admin = await adminOf(await openWorkspace(io, options.workspace), ctx);
  const answer = await admin.ask("reprocess");
  let rest = "";
  let said = Date.now();
  for await (const chunk of answer.setEncoding("utf8")) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const at = step.parse(JSON.parse(line));
      if ("error" in at) return fail("PLATFORM_REFUSED", { command: "reprocess", reason: `${at.error}.` });
      const text = `${at.deliveries} deliveries read: ${at.created} messages more, ${at.changed} changed`;
      if (at.done) return out.result(at, { text: `${text}.` });
      if (Date.now() - said < SAY_EVERY_MS) continue;
      said = Date.now();
      out.line(text);
    }
  }
  return fail("PLATFORM_REFUSED", { command: "reprocess", reason: "It stopped in the middle; what was read stays." });
}
