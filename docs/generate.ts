/** Writes docs/cli.md and docs/errors.md from the command table and the two catalogues of errors: `npm run docs`. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { configKeys, configSchema, type Key } from "../cli/config/schema.ts";
import { envName, exitCodes, type CommandSpec, type OptionSpec } from "../cli/commands/command.ts";
import { instead, synonyms } from "../cli/commands/near.ts";
import { commands, streams } from "../cli/commands/table.ts";
import { catalogue, type Details, type ErrorCode } from "../cli/errors.ts";
import { answers, failures, refusals, type Answer } from "../edge/errors.ts";

const made = "<!-- Made by `npm run docs`; a test holds it equal to the program. -->";

const entries = Object.entries(commands as Record<string, CommandSpec>).filter(([, spec]) => !spec.hidden);

/** The text of docs/cli.md. */
export function cliDocument(): string {
  const contents = entries.map(([name, spec]) => `| [${name}](#airy-${name}) | ${cell(spec.summary)} |`);
  const words = [
    ...Object.entries(synonyms).map(([word, meant]) => `| ${word} | does \`airy ${meant.join(" ")}\` |`),
    ...Object.entries(instead).map(([word, line]) => `| ${word} | says: ${cell(line)} |`),
  ];
  return lines(
    "# Commands",
    "",
    made,
    "",
    "In a checkout `airy` is `./airy`. `airy COMMAND --help` shows what is here, with the program as it was called.",
    "",
    "Every option can be set by an environment variable, which is named beside it: flags by `1` or `0`, lists separated by commas. What is",
    "typed wins over the environment, and the environment over [airy.yaml](config.md).",
    "",
    `\`--json\` prints one JSON document: \`{"schemaVersion":1,"command","status","data","warnings","error"}\`. ${listed([...streams])} print one`,
    "event a line instead, and end with a line of that form with `type: result`. stdout carries data alone, stderr everything else.",
    "",
    "| command | |",
    "|---|---|",
    ...contents,
    "",
    "## Exit codes",
    "",
    "The code tells the class of a failure; [errors.md](errors.md) has each failure with what to do.",
    "",
    "| code | meaning |",
    "|---|---|",
    ...Object.entries(exitCodes).map(([code, meaning]) => `| ${code} | ${meaning} |`),
    "",
    ...entries.flatMap(([name, spec]) => commandSection(name, spec)),
    "## Words of other programs",
    "",
    "| word | airy |",
    "|---|---|",
    ...words,
  );
}

function commandSection(name: string, spec: CommandSpec): string[] {
  const operands = (spec.arguments ?? []).map((argument) => {
    const text = argument.many ? `${argument.name}...` : argument.name;
    return argument.required ? `<${text}>` : `[${text}]`;
  });
  const described = (spec.arguments ?? []).map(({ name, description, choices }) => {
    return `- \`${name}\`: ${description}${choices ? `: ${choices.join(", ")}` : ""}`;
  });
  const exits = Object.entries(spec.exits ?? {}).map(([code, meaning]) => `${code} ${meaning}`);
  return [
    `## airy ${name}`,
    "",
    `${spec.summary}.`,
    "",
    "```",
    ["airy", name, ...operands, "[options]"].join(" "),
    "```",
    "",
    ...(described.length > 0 ? [...described.flatMap(wrapped), ""] : []),
    "| option | variable | |",
    "|---|---|---|",
    ...spec.options.map((option) => `| \`${flagText(option)}\` | \`${envName(option)}\` | ${cell(optionText(option))} |`),
    "",
    ...(exits.length > 0 ? [`Exit codes of its own: ${exits.join(", ")}.`, ""] : []),
    "```",
    ...[...spec.examples, ...spec.scripts].flatMap(([line, what]) => [`# ${what}`, line]),
    "```",
    "",
  ];
}

function flagText({ name, short, kind, value }: OptionSpec): string {
  return `${short ? `-${short}, ` : ""}--${name}${kind === "flag" ? "" : ` ${value ?? "VALUE"}`}`;
}

function optionText({ description, choices }: OptionSpec): string {
  const missing = choices?.some((choice) => !description.includes(choice));
  return choices && missing ? `${description}; one of ${choices.join(", ")}` : description;
}

/** The text of docs/errors.md. */
export function errorsDocument(): string {
  const codes = Object.keys(catalogue) as ErrorCode[];
  const exits = [...new Set(codes.map((code) => catalogue[code].exit))].toSorted((a, b) => a - b);
  return lines(
    "# Errors",
    "",
    made,
    "",
    "Each failure has a code that stays, says what happened, why airy thinks so and what to type next, and ends the command with the exit",
    "code of its class. With `--json` it is the member `error`: `code`, `category`, `message`, `retryable`, `details`, `actions`. Words in",
    "angle brackets are filled in; where something has several forms, they stand below each other.",
    "",
    ...exits.flatMap((exit) => [
      `## Exit code ${exit}: ${exitCodes[exit]}`,
      "",
      ...codes.filter((code) => catalogue[code].exit === exit).flatMap(errorSection),
    ]),
    "## What an edge answers",
    "",
    "To whoever sends a request to a public address: with the code in the header `Airy-Error`, as a page for browsers and as JSON (`code`,",
    "`status`, `message`, `why`, `do`, `requestId`) for everything else. No page ever stands in front of an answer of the tunnel itself.",
    "",
    ...Object.entries(answers).flatMap(([code, entry]) => answerSection(code, entry)),
    "To whoever connects by SSH; `airy` shows it in EDGE_REFUSED, `ssh` as a line on the terminal.",
    "",
    "| code | text |",
    "|---|---|",
    ...Object.entries(refusals).map(([code, text]) => `| ${code} | ${cell(text)} |`),
    "",
    "To whoever starts `airy edge`, with the evidence behind it, in EDGE_START.",
    "",
    "| code | text |",
    "|---|---|",
    ...Object.entries(failures).map(([code, text]) => `| ${code} | ${cell(text)} |`),
  );
}

function answerSection(code: string, { status, what, why, do: advice, retryAfter }: Answer): string[] {
  return [
    `### ${code}`,
    "",
    `- status: ${status}${retryAfter === undefined ? "" : `, Retry-After ${retryAfter} s`}`,
    ...wrapped(`- what: ${cell(what)}`),
    ...wrapped(`- why: ${cell(why)}`),
    ...Object.entries(advice).flatMap(([who, text]) => wrapped(`- do (${who}): ${cell(text)}`)),
    "",
  ];
}

function errorSection(code: ErrorCode): string[] {
  const { what, why, actions } = formsOf(code);
  return [
    `### ${code}`,
    "",
    ...what.flatMap((text) => wrapped(`- what: ${cell(text)}`)),
    ...why.flatMap((text) => wrapped(`- why: ${cell(text)}`)),
    ...actions.flatMap((text) => wrapped(`- do: ${cell(text)}`)),
    ...(catalogue[code].retryable ? ["- later: the same command may work"] : []),
    "",
  ];
}

interface Texts {
  what: (d: Details) => string;
  why: (d: Details) => string;
  actions: (d: Details) => string[];
}

/** What an error can say: with every detail given, and with each of them left out where it then says something else. */
export function formsOf(code: ErrorCode): { what: string[]; why: string[]; actions: string[] } {
  const texts = catalogue[code] as unknown as Texts;
  return {
    what: forms((d) => [texts.what(d)]),
    why: forms((d) => [texts.why(d)]),
    actions: forms((d) => texts.actions(d)),
  };
}

function forms(say: (d: Details) => string[]): string[] {
  const asked = new Set<string>();
  const found = new Set(say(details(asked, null)));
  for (const left of asked) {
    try {
      for (const text of say(details(asked, left))) if (!/null|undefined|false/.test(text)) found.add(text);
    } catch {
      // A detail that is always there.
    }
  }
  return [...found];
}

const LISTS = /^(?:missing|present|variables|keys)$/;

/** Answers for every detail, and notes which ones are asked for. */
function details(asked: Set<string>, left: string | null): Details {
  return new Proxy<Details>(
    {},
    {
      get: (_, key) => {
        const name = String(key);
        asked.add(name);
        if (name === left) return null;
        return LISTS.test(name) ? [`<${name}>`] : `<${name}>`;
      },
    },
  );
}

/** The text of templates/airy.schema.json. */
export function schemaDocument(): string {
  return `${JSON.stringify(configSchema(), null, 2)}\n`;
}

/** The text of docs/config.md. */
export function configDocument(): string {
  return lines(
    "# airy.yaml",
    "",
    made,
    "",
    "The file makes a folder a workspace: commands in it and below it mean that one. The first `airy up` writes it with every key explained",
    "and commented out; everything is optional. `airy config explain KEY` shows what is here with the value that holds and where it comes",
    "from, `airy config set KEY VALUE` writes one and leaves comments as they are, `airy config get KEY` prints one.",
    "",
    "An option on the command line wins over the environment, and the environment over the file. Everything that is an option and no key here",
    "(`--sandbox`, `--yes`, `--replace-webhook`, ...) is a decision for one run: [cli.md](cli.md) names its variable.",
    "",
    "Secrets are asked for, or read from standard input, and never taken from the command line, which other users of the machine can see:",
    "`airy config set components.sources.facebook.appSecret`. Where the system has a keyring (macOS' Keychain, the Secret Service of a Linux",
    "desktop) the secret goes there, and the file holds a reference to it; elsewhere it is in the file, which then is closed to others (0600).",
    "No command shows one in full. `AIRY_NO_KEYRING=1` does without the keyring.",
    "",
    "Editors with YAML support check and complete the file by `.airy/airy.schema.json`, which its first line names.",
    "",
    "| key | variable | default | |",
    "|---|---|---|---|",
    ...configKeys().map(keyRow),
  );
}

function keyRow({ name, variable, default: left, choices, description, secret }: Key): string {
  const kind = `${choices ? ` One of ${choices.join(", ")}.` : ""}${secret ? " Secret." : ""}`;
  const inverse = variable === "AIRY_NO_HOLD" ? " (1: false)" : "";
  const named = variable === null ? "" : `\`${variable}\`${inverse}`;
  return `| \`${name}\` | ${named} | ${left === null ? "" : `\`${left}\``} | ${cell(description)}.${kind} |`;
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** Nothing in it is taken for Markdown's own. */
function cell(text: string): string {
  return text
    .replaceAll("|", String.raw`\|`)
    .replaceAll("<", "&lt;")
    .replaceAll("*", String.raw`\*`)
    .replaceAll("\n", " ");
}

/** An item of a list in lines of at most 138 columns. */
function wrapped(item: string): string[] {
  const rows = [""];
  for (const word of item.split(" ")) {
    const last = rows.at(-1) ?? "";
    if (last !== "" && last.length + word.length >= 138) rows.push(`  ${word}`);
    else rows[rows.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return rows;
}

function lines(...all: string[]): string {
  return `${all.join("\n").trimEnd()}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(path.join(import.meta.dirname, "cli.md"), cliDocument());
  writeFileSync(path.join(import.meta.dirname, "errors.md"), errorsDocument());
  writeFileSync(path.join(import.meta.dirname, "config.md"), configDocument());
  writeFileSync(path.join(import.meta.dirname, "../templates/airy.schema.json"), schemaDocument());
}
