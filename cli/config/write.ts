/** Values written into airy.yaml: what else is in it, comments included, stays as it is. */
import { parseDocument } from "yaml";
import { readLinkedText, writeAtomic } from "../io/files.ts";
import template from "../../templates/airy.yaml";

/** @param values each with the path of its key, e.g. `["components", "sources", "facebook", "appId"]`. The file is private afterwards. */
export async function writeConfigValues(
  file: string,
  values: readonly (readonly [path: readonly string[], value: string])[],
): Promise<void> {
  // Everything is text, as it is when it is read.
  const document = parseDocument((await readLinkedText(file)) ?? template, { schema: "failsafe" });
  for (const [path, value] of values) {
    // Sections without children are empty scalars.
    for (let depth = 1; depth < path.length; depth++) {
      const above = path.slice(0, depth);
      if (document.hasIn(above) && document.getIn(above) === "") document.deleteIn(above);
    }
    document.setIn(path, value);
  }
  await writeAtomic(file, document.toString());
}
