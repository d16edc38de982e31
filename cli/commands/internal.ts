/** Services that airy starts by itself: `agent`, the background process of a workspace, and those that containers run. */
import type { Context } from "./command.ts";
import type { Options } from "./table.ts";
import { fail } from "../report/errors.ts";

/** @throws INVALID_ARGUMENT for a service that does not exist. */
export async function runInternal(options: Options<"internal">, _ctx: Context): Promise<void> {
  switch (options.service) {
    default:
      fail("INVALID_ARGUMENT", { command: "internal", reason: `There is no service "${options.service}".` });
  }
}
