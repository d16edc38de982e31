/** `airy config path|get|set|explain`: airy.yaml, and what of it holds when the environment is looked at as well. */
import { realpath } from "node:fs/promises";
import { parseConfig } from "../config/config.ts";
import { isReference, keep } from "../config/keyring.ts";
import { configKeys, type Key } from "../config/schema.ts";
import { valueIn, writeConfigValues } from "../config/write.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { asAiryError, fail } from "../errors.ts";
import { readLinkedText } from "../io/files.ts";
import { asCalled } from "../report/called.ts";
import { canAsk, createAsker } from "../tui/ask.ts";
import { nearest } from "./near.ts";
import type { Options } from "./table.ts";

type ConfigOptions = Options<"config">;

/** Longer than any token that is known. */
const MAX_SECRET = 8192;

/** Throws CONFIG_INVALID, INVALID_ARGUMENT. */
export async function runConfig(options: ConfigOptions, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const { config: file } = await openWorkspace(io, options.workspace);
  const source = await readLinkedText(file);
  const { what = "get", key: named, value } = options;
  if (value !== undefined && what !== "set") wrong(`"${value}" is one word too many.`);
  if (what === "path") return out.result({ path: file, exists: source !== null }, { text: file });
  if (what === "set") {
    if (named === undefined) return wrong("Which key? airy config explain lists them.");
    const [key, ...more] = keysOf(named);
    if (!key || more.length > 0) return wrong(`${named} has keys below it; say one of them.`);
    return set(file, source, key, options, ctx);
  }
  const keys = named === undefined ? configKeys() : keysOf(named);
  const found = keys.map((key) => ({ ...key, ...lookUp(key, source ?? "", io.env) }));
  if (what === "explain") return out.result({ file, keys: found }, { text: found.map((one) => explained(one, file)).join("\n\n") });
  // So that a file that airy up would refuse is not shown as if it held.
  parseConfig(file, source ?? "");
  const [only] = found;
  if (named !== undefined && found.length === 1 && only) return out.result(only, { text: only.value ?? "" });
  const width = Math.max(...found.map(({ name }) => name.length));
  const rows = found.filter(({ value, from }) => named !== undefined || (value !== null && from !== "default"));
  const text = rows.map(({ name, value, from }) => `${name.padEnd(width)}  ${value ?? ""}  (${from})`).join("\n");
  out.result({ file, keys: found }, { text: text || "Everything is as it is by default.", hint: "all keys: airy config explain" });
}

interface Found {
  /** As it is shown: of a secret only its end. */
  value: string | null;
  from: string;
}

/** What holds: the environment's, the file's, or the default. */
function lookUp({ name, secret, variable, default: usual }: Key, source: string, env: Readonly<Record<string, string | undefined>>): Found {
  const given = variable === null ? undefined : env[variable]?.trim();
  if (given) {
    const inverse = variable === "AIRY_NO_HOLD" ? String(!/^(1|true|yes|on)$/i.test(given)) : given;
    return { value: secret ? masked(given) : inverse, from: `environment, ${variable}` };
  }
  const written = valueIn(source, name.split("."));
  if (written && isReference(written)) return { value: "in the keyring", from: "keyring" };
  if (written) return { value: secret ? masked(written) : written, from: "airy.yaml" };
  return { value: usual, from: usual === null ? "not set" : "default" };
}

function masked(secret: string): string {
  return secret.length < 12 ? "********" : `********${secret.slice(-4)}`;
}

function explained({ name, description, choices, kind, variable, default: usual, secret, value, from }: Key & Found, file: string): string {
  const is = { text: "text", flag: "true or false", number: "a whole number", choice: (choices ?? []).join(", ") }[kind];
  const lines = [
    name,
    `  ${description}.`,
    `  is        ${is}${secret ? ", a secret" : ""}`,
    `  default   ${usual ?? "none"}`,
    ...(variable ? [`  variable  ${variable}, which wins over ${file}`] : []),
    `  now       ${value ?? "not set"} (${from})`,
    `  set       ${asCalled(`airy config set ${name}${secret ? "" : " VALUE"}`)}`,
  ];
  return lines.join("\n");
}

/** Throws INVALID_ARGUMENT. `facebook.appId` is enough where it can be one key alone. */
function keysOf(named: string): Key[] {
  const all = configKeys();
  const exact = all.filter(({ name }) => name === named || name.startsWith(`${named}.`));
  if (exact.length > 0) return exact;
  const ending = all.filter(({ name }) => name.endsWith(`.${named}`));
  if (ending.length === 1) return ending;
  const near =
    ending.length > 1
      ? ending.map(({ name }) => name).join(", ")
      : nearest(
          named,
          all.map(({ name }) => name),
        );
  return wrong(`There is no key "${named}"${near ? `; perhaps ${near}` : ""}.`, "airy config explain");
}

async function set(file: string, source: string | null, key: Key, options: ConfigOptions, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  if (key.secret && options.value) {
    return wrong(
      `${key.name} is a secret, and what is typed here other users of this machine can see. It is asked for, or read from standard input.`,
      `airy config set ${key.name}`,
    );
  }
  const value = options.value ?? (key.secret ? await readSecret(key, ctx) : wrong(`To what? ("" takes ${key.name} out.)`));
  const path = key.name.split(".");
  if (key.secret) out.hide(value);
  const kept = key.secret && value !== "" ? await keep(value, { ...io.env, ...(options.noKeyring && { AIRY_NO_KEYRING: "1" }) }) : null;
  const { text, old } = await writeConfigValues(file, [[path, kept ?? value]], {
    env: io.env,
    secret: key.secret && kept === null,
    check: (made) => refuseInvalid(key, file, made),
  });
  const where = kept === null ? file : "the keyring of this system";
  const took = value === "" ? `${key.name} is not set any more (${file}).` : `${key.name} is kept in ${where}.`;
  if (key.variable && io.env[key.variable]?.trim()) {
    out.warn({ code: "ENVIRONMENT_WINS", message: `${key.variable} is set in the environment, and wins over it.` });
  }
  if (key.secret && kept === null && value !== "" && (await realpath(file)) !== file) {
    out.warn({ code: "SECRET_LINKED", message: `${file} is a link: the secret is in ${await realpath(file)}.` });
  }
  const changed = text !== source;
  out.result({ file, key: key.name, changed, replaced: old !== null, keyring: kept !== null }, { text: took, hint: "airy up uses it" });
}

/** Before it is written. */
function refuseInvalid(key: Key, file: string, text: string): void {
  try {
    parseConfig(file, text);
  } catch (error) {
    const failure = asAiryError(error);
    // What was wrong before is said as it is.
    if (failure.details["key"] !== key.name) throw failure;
    wrong(`${key.name}: ${String(failure.details["reason"])}.`, `airy config explain ${key.name}`);
  }
}

/** Asked for without being shown, or what stands on standard input. Throws INVALID_ARGUMENT. */
async function readSecret(key: Key, { io, signal }: Context): Promise<string> {
  if (canAsk(io.tty, io.env, false)) {
    const asker = await createAsker({ stdin: io.stdin, stdout: io.terminal, env: io.env, signal });
    const answer = await asker.text({
      title: key.name,
      hint: `${key.description}.`,
      secret: true,
      later: null,
      validate: () => null,
      check: async () => null,
    });
    return answer ?? "";
  }
  let text = "";
  for await (const chunk of io.stdin) {
    text += String(chunk);
    if (text.length > MAX_SECRET) break;
  }
  text = text.trim();
  if (text === "")
    return wrong(`${key.name} is read from standard input, and nothing came.`, `printf %s "$SECRET" | airy config set ${key.name}`);
  if (text.length > MAX_SECRET || /[\r\n]/.test(text)) return wrong("What came on standard input is more than one line.");
  return text;
}

function wrong(reason: string, instead?: string): never {
  return fail("INVALID_ARGUMENT", { command: "config", reason, ...(instead && { instead }) });
}
