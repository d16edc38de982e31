import type { Context } from "./command.ts";
import type { Options } from "./table.ts";
import { fail } from "../report/errors.ts";

export async function runEdge(_options: Options<"edge">, _ctx: Context): Promise<void> {
  fail("INTERNAL", { reason: "not built yet" });
}
