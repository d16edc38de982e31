/** What `--help` says beside the options: examples, scripts, exit codes. */
import { exitCodes, type CommandSpec } from "./command.ts";

/** Below the list of commands. */
export const beginning = `
Examples:
  $ airy up --sandbox
      try everything on this machine, without a Facebook app
  $ airy up
      with the Facebook app of airy.yaml, or of FACEBOOK_APP_ID and FACEBOOK_APP_SECRET
  $ airy proxy 3000
      a public URL for a local web server, and nothing else

In scripts and CI:
  $ airy up --yes --json
      no questions, one event a line; airy down at the end. Exit codes: airy up --help`;

export function afterHelp(spec: CommandSpec): string {
  const parts = [
    section("Examples:", spec.examples),
    section("In scripts and CI:", spec.scripts),
    spec.hidden ? "" : `\nExit codes: ${exitText(spec)}`,
    spec.hidden ? "" : "\nEach option can be set by the variable in brackets; what is typed wins. docs/cli.md has all commands.",
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function section(title: string, lines: CommandSpec["examples"]): string {
  return lines.length === 0 ? "" : `\n${title}\n${lines.map(([line, what]) => `  $ ${line}\n      ${what}`).join("\n")}`;
}

/** In the order of the numbers, broken where a line gets long. */
function exitText({ exits = {} }: CommandSpec): string {
  const lines = [""];
  for (const [code, meaning] of Object.entries({ ...exitCodes, ...exits })) {
    const item = `${code} ${meaning}`;
    const last = lines.at(-1) ?? "";
    if (last.length + item.length > 100) lines.push(item);
    else lines[lines.length - 1] = last === "" ? item : `${last}, ${item}`;
  }
  return lines.join(",\n  ");
}
