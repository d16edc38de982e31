/** Services that airy starts by itself: `agent`, the background process of a workspace, and those that containers run. */
import { fail } from "../errors.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Throws INVALID_ARGUMENT for a service that does not exist, and for one without its configuration. */
export async function runInternal(options: Options<"internal">, ctx: Context): Promise<void> {
  const { service, config } = options;
  if (service === "agent") {
    const { runAgent } = await import("../agent/run.ts");
    return runAgent(ctx);
  }
  const { isServiceName, runService } = await import("../platform/compose/service.ts");
  if (!isServiceName(service)) fail("INVALID_ARGUMENT", { command: "internal", reason: `There is no service "${service}".` });
  if (config === undefined) fail("INVALID_ARGUMENT", { command: "internal", reason: `The service ${service} needs --config FILE.` });
  await runService(service, config, ctx);
}
