/** What an edge is told: flags, then the environment, then the file that `--config` names. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { EdgeError, readSettings, SETTING_NAMES, type Settings, type SettingsLayer } from "../../edge/index.ts";
import { fail } from "../errors.ts";
import type { Io } from "../io/io.ts";
import { camel, envName } from "./command.ts";
import { commands, type Options } from "./table.ts";

const command = "edge";

/** Throws INVALID_ARGUMENT, EDGE_START. */
export function edgeSettings(options: Options<"edge">, { env, cwd }: Pick<Io, "env" | "cwd">): Settings {
  try {
    return readSettings(layersOf(options, { env, cwd }));
  } catch (error) {
    if (error instanceof EdgeError) return fail("INVALID_ARGUMENT", { command, reason: error.detail });
    throw error;
  }
}

/** The data folder alone, for what needs no more. Throws INVALID_ARGUMENT. */
export function edgeFolder(options: Options<"edge">, { env, cwd }: Pick<Io, "env" | "cwd">): string {
  const said = layersOf(options, { env, cwd }).find(({ values }) => typeof values.data === "string");
  return path.resolve(said?.folder ?? cwd, String(said?.values.data ?? "airy-edge"));
}

function layersOf(options: Options<"edge">, { env, cwd }: Pick<Io, "env" | "cwd">): SettingsLayer[] {
  refuseEmptyVariables(env);
  const layers: SettingsLayer[] = [{ values: given(options, env), folder: cwd }];
  if (options.config) layers.push(readFile(path.resolve(cwd, options.config)));
  return layers;
}

/** Flags and environment, of which the flag has won already. */
function given(options: Options<"edge">, env: Io["env"]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const option of commands.edge.options) {
    if (!SETTING_NAMES.includes(option.name)) continue;
    const value = options[camel(option.name) as keyof typeof options];
    if (Array.isArray(value) && value.length === 0) continue;
    // A flag that is off was only said when its variable says so.
    values[option.name] = value === false && env[envName(option)] === undefined ? undefined : value;
  }
  if (options.host.length > 0) values.hosts = Object.fromEntries(options.host.map(hostOf));
  if (options.limit.length > 0) values.limits = Object.fromEntries(options.limit.map(limitOf));
  return values;
}

function limitOf(text: string): [name: string, value: number] {
  const [, name, value] = /^([a-z0-9-]+)=(\d{1,10})$/.exec(text) ?? [];
  if (name === undefined) return fail("INVALID_ARGUMENT", { command, reason: `--limit ${text} is not NAME=NUMBER.` });
  return [name, Number(value)];
}

function hostOf(text: string): [host: string, name: string] {
  const [, host, name] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
  return host && name ? [host.toLowerCase(), name] : fail("INVALID_ARGUMENT", { command, reason: `--host ${text} is not HOST=NAME.` });
}

function readFile(file: string): SettingsLayer {
  const wrong = (reason: string) => fail("INVALID_ARGUMENT", { command, reason: `--config ${file}: ${reason}` });
  let values: unknown;
  try {
    values = parse(readFileSync(file, "utf8")) ?? {};
  } catch (error) {
    return wrong((error as Error).message.trim());
  }
  if (typeof values !== "object" || values === null || Array.isArray(values)) return wrong("it is not a list of `name: value` lines.");
  const missing = Object.entries(values).find(([, value]) => value === null);
  if (missing) return wrong(`${missing[0]} has no value. Give it one or remove the line.`);
  return { values: values as Record<string, unknown>, folder: path.dirname(file) };
}

/**
 * Elsewhere an empty variable means that there is none. Here it would admit every key (`AIRY_AUTHORIZED_KEYS=$KEYS`, and KEYS is not set),
 * or make a new data folder without the names that were claimed.
 */
function refuseEmptyVariables(env: Io["env"]): void {
  for (const option of commands.edge.options) {
    const name = envName(option);
    if (env[name]?.trim() === "") fail("INVALID_ARGUMENT", { command, reason: `${name} is set but empty. Give it a value or unset it` });
  }
}
