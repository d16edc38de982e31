/** Services that airy starts by itself: `agent`, the background process of a workspace, and those that containers run. */
import { fail } from "../report/errors.ts";
import type { Context } from "./command.ts";
import type { Options } from "./table.ts";

/** Throws INVALID_ARGUMENT for a service that does not exist. */
export async function runInternal(options: Options<"internal">, ctx: Context): Promise<void> {
  switch (options.service) {
    case "agent": {
      const { runAgent } = await import("../agent/run.ts");
      return runAgent(ctx);
    }
    default:
      fail("INVALID_ARGUMENT", { command: "internal", reason: `There is no service "${options.service}".` });
  }
}
