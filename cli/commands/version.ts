import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

/** Version, commit and build; node as well, because bug reports need it. */
export async function runVersion(_options: Options<"version">, ctx: Context): Promise<void> {
  const { version, commit, id } = ctx.build;
  ctx.out.result({ version, commit, build: id }, { text: `airy ${version}${commit ? ` (${commit})` : ""}, build ${id}` });
}
