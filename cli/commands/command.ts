/** A command is data: what it is called, what it accepts, how it is used. What it does is loaded only when it runs. */

/** `flag`: present or not. `list`: may be given several times. */
type OptionKind = "flag" | "text" | "list" | "port" | "seconds" | "count";

export interface OptionSpec {
  /** The flag without dashes; its environment variable is `AIRY_` + the name in capitals with underscores. */
  name: string;
  kind: OptionKind;
  /** What stands for the value in help, e.g. `HOST[:PORT]`. */
  value?: string;
  short?: string;
  description: string;
  choices?: readonly string[];
}

interface ArgumentSpec {
  name: string;
  description: string;
  required?: boolean;
  /** Any number of them. */
  many?: boolean;
  choices?: readonly string[];
}

export interface CommandSpec {
  summary: string;
  hidden?: boolean;
  arguments?: readonly ArgumentSpec[];
  options: readonly OptionSpec[];
  /** Command lines, each with what it does. */
  examples: readonly Line[];
  /** The same for scripts and CI. */
  scripts: readonly Line[];
  /** Exit codes of this command alone. */
  exits?: Readonly<Record<number, string>>;
}

type Line = readonly [line: string, what: string];

/** What every command may end with. Each failure of `cli/errors.ts` names one of them. */
export const exitCodes: Readonly<Record<number, string>> = {
  0: "done",
  1: "a bug of ours",
  2: "usage",
  3: "input needed",
  4: "configuration",
  10: "docker or Node",
  11: "port",
  12: "image",
  13: "service",
  14: "state",
  15: "installing or building a checkout",
  20: "tunnel",
  21: "public URL",
  22: "webhook",
  129: "SIGHUP",
  130: "SIGINT",
  143: "SIGTERM",
};

type Value<K extends OptionKind> = K extends "flag"
  ? boolean
  : K extends "list"
    ? string[]
    : K extends "text"
      ? string | undefined
      : number | undefined;

type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;

/** The typed options of a command, as they follow from its entry in the table. Positional arguments are among them. */
export type OptionsOf<S extends CommandSpec> = {
  [O in S["options"][number] as Camel<O["name"]>]: Value<O["kind"]>;
} & (S extends { arguments: readonly (infer A extends ArgumentSpec)[] }
  ? { [P in A as P["name"]]: P extends { many: true } ? string[] : P extends { required: true } ? string : string | undefined }
  : unknown);

/** `replace-webhook` -> `replaceWebhook`. */
export function camel(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, c: string) => c.toUpperCase());
}

/** `replace-webhook` -> `AIRY_REPLACE_WEBHOOK`. */
export function envName(option: OptionSpec): string {
  return `AIRY_${option.name.toUpperCase().replaceAll("-", "_")}`;
}
