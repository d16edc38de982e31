import type { Context } from "./command.ts";
import type { Options } from "./table.ts";
import { fail } from "../report/errors.ts";

export async function runStatus(_options: Options<"status">, _ctx: Context): Promise<void> {
  fail("INTERNAL", { reason: "not built yet" });
}
