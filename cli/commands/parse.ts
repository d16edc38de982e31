/** argv and environment -> a command and its typed options. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { fail } from "../errors.ts";
import { asCalled } from "../report/called.ts";
import { camel, envName, type CommandSpec, type OptionSpec } from "./command.ts";
import { afterHelp, beginning } from "./help.ts";
import { insteadOf, nearest, synonymOf } from "./near.ts";
import { commands, type CommandName } from "./table.ts";

export interface Parsed {
  name: CommandName;
  options: Record<string, unknown>;
  /** The name that was typed where that is a word of other programs, and the one it has here. */
  synonym?: { typed: string; meant: string };
}

type Env = Readonly<Record<string, string | undefined>>;

/** What `--help` or `--version` print in place of running a command. */
export interface Printed {
  print: string;
}

/**
 * @param argv without node and script.
 * Throws UNKNOWN_COMMAND, UNKNOWN_FLAG, INVALID_ARGUMENT.
 */
export function parse(argv: readonly string[], env: Env, version: string): Parsed | Printed {
  const [first = "", second = ""] = argv;
  if (first === "-v" || (first === "proxy" && argv.length === 2 && /^(-v|-V|--version)$/.test(second))) return { print: `${version}\n` };
  const named = first === "help" ? second : first;
  if (named === "" || named.startsWith("-") || named in commands) return parseKnown(argv, env, version);
  const meant = synonymOf(named);
  if (!meant) {
    if (named === "help") return parseKnown(argv.slice(1), env, version);
    return fail("UNKNOWN_COMMAND", { command: named, suggestion: nearest(named, visible), instead: insteadOf(named) });
  }
  if (first === "help") return parseKnown(["help", ...meant], env, version);
  const parsed = parseKnown([...meant, ...argv.slice(1)], env, version);
  return "print" in parsed ? parsed : { ...parsed, synonym: { typed: named, meant: meant.join(" ") } };
}

const visible = Object.entries(commands as Record<string, CommandSpec>).flatMap(([name, spec]) => (spec.hidden ? [] : [name]));

function parseKnown(argv: readonly string[], env: Env, version: string): Parsed | Printed {
  let printed = "";
  let parsed: Parsed | undefined;
  const program = new Command("airy")
    .description("Airy on this machine, with a public webhook URL that stays the same.")
    .helpCommand("help [command]", "Show the help of a command")
    .version(version, "-V, --version", "Print the version")
    .addHelpText("after", beginning)
    .enablePositionalOptions();
  const silence = (command: Command): Command =>
    command
      .exitOverride()
      .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => {} })
      .configureHelp({ showGlobalOptions: false });
  silence(program);
  for (const [name, spec] of Object.entries(commands) as [CommandName, CommandSpec][]) {
    const command = silence(program.command(name, { hidden: spec.hidden ?? false })).description(spec.summary);
    declare(command, spec);
    command.action(() => {
      parsed = { name, options: collect(command, spec, env) };
    });
  }
  try {
    program.parse(["node", "airy", ...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0 && error.code !== "commander.help") usageError(error, argv);
    return { print: asCalled(printed || program.helpInformation()) };
  }
  return parsed ?? { print: asCalled(program.helpInformation()) };
}

function declare(command: Command, spec: CommandSpec): void {
  for (const argument of spec.arguments ?? []) {
    const name = argument.many ? `${argument.name}...` : argument.name;
    const text = argument.required ? `<${name}>` : `[${name}]`;
    command.argument(text, argument.description + (argument.choices ? ` (${argument.choices.join(", ")})` : ""));
  }
  for (const option of spec.options) {
    const flags = `${option.short ? `-${option.short}, ` : ""}--${option.name}${option.kind === "flag" ? "" : ` <${option.value ?? "VALUE"}>`}`;
    const made = new Option(flags, `${option.description} [${envName(option)}]`);
    if (option.kind !== "flag") made.argParser((text: string, previous: unknown) => value(option, text, previous));
    command.addOption(made);
  }
  command.addHelpText("after", afterHelp(spec));
}

function collect(command: Command, spec: CommandSpec, env: Env): Record<string, unknown> {
  const given = command.opts<Record<string, unknown>>();
  const options: Record<string, unknown> = {};
  for (const option of spec.options) {
    const key = camel(option.name);
    options[key] =
      // Commander keeps `--no-x` as x: false.
      (option.name.startsWith("no-") ? (given[camel(option.name.slice(3))] === false ? true : undefined) : given[key]) ??
      fromEnv(command.name(), option, env[envName(option)]) ??
      (option.kind === "flag" ? false : option.kind === "list" ? [] : undefined);
  }
  for (const [i, argument] of (spec.arguments ?? []).entries()) {
    const text: unknown = command.processedArgs[i];
    if (typeof text === "string" && argument.choices && !argument.choices.includes(text)) {
      const near = nearest(text, argument.choices);
      fail("INVALID_ARGUMENT", {
        command: command.name(),
        reason: `${argument.name} is one of: ${argument.choices.join(", ")}; got "${text}".`,
        ...(near !== null && { instead: `airy ${command.name()} ${near}` }),
      });
    }
    // One that is an option as well.
    if (text !== undefined && options[argument.name] !== undefined) {
      fail("INVALID_ARGUMENT", { command: command.name(), reason: `--${argument.name} is given, and "${String(text)}" as well.` });
    }
    options[argument.name] ??= text;
  }
  return options;
}

/** Trimmed: a line end of Windows comes along with `$(cat file)`. */
function fromEnv(command: string, option: OptionSpec, given: string | undefined): unknown {
  const text = given?.trim();
  if (text === undefined || text === "") return undefined;
  if (option.kind === "flag") {
    if (/^(1|true|yes|on)$/i.test(text)) return true;
    if (/^(0|false|no|off)$/i.test(text)) return false;
    return fail("INVALID_ARGUMENT", { command, reason: `${envName(option)} is 1 or 0; got "${text}".` });
  }
  if (option.kind === "list") return text.split(/[\s,]+/).filter(Boolean);
  try {
    return value(option, text, undefined);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return fail("INVALID_ARGUMENT", { command, reason: `${envName(option)}: ${error.message}` });
  }
}

function value(option: OptionSpec, text: string, previous: unknown): unknown {
  if (option.choices && !option.choices.includes(text)) throw new InvalidArgumentError(`It is one of: ${option.choices.join(", ")}.`);
  if (option.kind === "list") return [...(Array.isArray(previous) ? previous : []), text];
  if (option.kind === "text") {
    if (text === "") throw new InvalidArgumentError("It is empty.");
    return text;
  }
  const number = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  const [from, to] = option.kind === "port" ? [1, 65_535] : option.kind === "seconds" ? [1, 86_400] : [0, 1_000_000];
  if (!(number >= from && number <= to)) throw new InvalidArgumentError(`It is a whole number from ${from} to ${to}.`);
  return number;
}

/** Commander's own message says which argument and, for flags and commands, the nearest name: `(Did you mean --json?)`. */
function usageError(error: CommanderError, argv: readonly string[]): never {
  const [first = "", second = ""] = error.message.replace(/^error: /, "").split("\n");
  const quoted = /'([^']*)'/.exec(first)?.[1] ?? "";
  const command = argv.find((arg) => arg in commands) ?? "";
  const spec: CommandSpec | undefined = command === "" ? undefined : commands[command as CommandName];
  const names = (spec?.options ?? []).map(({ name }) => name);
  if (error.code === "commander.unknownOption") {
    // `-sandbox` for `--sandbox`.
    const dashed = names.find((name) => quoted === `-${name}`);
    const suggestion = dashed ? `--${dashed}` : (/Did you mean (?:one of )?(\S+?)[,?]/.exec(second)?.[1] ?? null);
    return fail("UNKNOWN_FLAG", { flag: quoted, command, suggestion });
  }
  const reason = `${first.charAt(0).toUpperCase()}${first.slice(1)}`;
  const bare = error.code === "commander.excessArguments" ? argv.find((arg) => names.includes(arg)) : undefined;
  if (bare === undefined) return fail("INVALID_ARGUMENT", { command, reason });
  return fail("INVALID_ARGUMENT", { command, reason: `${bare} is an option: --${bare}.`, instead: `airy ${command} --${bare}` });
}
