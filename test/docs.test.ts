/** What the documents say of commands and errors is what the program does. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { exitCodes } from "../cli/commands/command.ts";
import { parse } from "../cli/commands/parse.ts";
import { catalogue } from "../cli/errors.ts";
import { cliDocument, configDocument, errorsDocument, schemaDocument } from "../docs/generate.ts";

const root = path.resolve(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const documents = ["README.md", ...readdirSync(path.join(root, "docs")).flatMap((file) => (file.endsWith(".md") ? [`docs/${file}`] : []))];

test("docs/cli.md and docs/errors.md are what `npm run docs` makes", () => {
  expect(read("docs/cli.md")).toBe(cliDocument());
  expect(read("docs/errors.md")).toBe(errorsDocument());
  expect(read("docs/config.md")).toBe(configDocument());
  expect(read("templates/airy.schema.json")).toBe(schemaDocument());
});

test("every exit code has a meaning", () => {
  for (const { exit } of Object.values(catalogue)) expect(exitCodes).toHaveProperty(String(exit));
});

/** Command lines in blocks of code: `./airy up # comment`, `AIRY_X=1 airy up`, `a | b`. */
function commandLines(text: string): string[] {
  return [...text.matchAll(/^```.*\n([\s\S]*?)^```/gm)]
    .flatMap(([, block = ""]) => block.replaceAll("\\\n", " ").split("\n"))
    .flatMap((line) => {
      const found = /^\s*(?:\$ )?(?:sudo )?(?:[A-Z_]+=\S* )*(?:\.\/)?(airy(?:-proxy)? .+)$/.exec(line)?.[1];
      return found ? [found.replace(/\s+#.*$|\s{3,}.*$/, "").split(/\s(?:&&|\||>>?)\s/)[0] ?? ""] : [];
    });
}

describe.each(documents)("%s", (file) => {
  test("its command lines are right", () => {
    for (const line of commandLines(read(file))) {
      const [program, ...argv] = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
      if (argv.includes("[options]") || argv.includes("...")) continue;
      expect(() => parse(program === "airy-proxy" ? ["proxy", ...argv] : argv, {}, ""), line).not.toThrow();
    }
  });

  test("links to files that are there", () => {
    const links = [...read(file).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target = ""]) => path.join(path.dirname(file), target));
    expect(links.filter((target) => !existsSync(path.join(root, target)))).toEqual([]);
  });
});
