/** `airy export`: a zip for a bug report. What it holds is listed by name, and secrets are masked wherever they stand. */
import { readdir, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { strToU8, zipSync } from "fflate";
import { readRecord } from "../agent/record.ts";
import { isReference, recall } from "../config/keyring.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { configKeys } from "../config/schema.ts";
import { openWorkspace } from "../config/workspace.ts";
import { valueIn } from "../config/write.ts";
import type { Context } from "../context.ts";
import { asAiryError, errorBody, fail } from "../errors.ts";
import { errno, readLinkedText, readText, tailLines, writeAtomic } from "../io/files.ts";
import { Masker } from "../report/mask.ts";
import { Output } from "../report/output.ts";
import { runDoctor } from "./doctor.ts";
import { runStatus } from "./status.ts";
import type { Options } from "./table.ts";

/** Of each log. */
const LINES = 5000;

/** Throws INVALID_ARGUMENT where the file is there already. */
export async function exportReport(options: Options<"export">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const time = io.now().toISOString().slice(0, 19).replaceAll(/[T:]/g, "-");
  const file = path.resolve(io.cwd, options.file ?? `airy-report-${time}.zip`);
  if ((await stat(file).catch(() => null)) !== null) {
    fail("INVALID_ARGUMENT", { command: "export", reason: `${file} is there already.`, instead: "airy export --file OTHER" });
  }
  const mask = await createMask(paths, io.env);
  const texts: Record<string, string> = {
    "about.json": json({
      ...ctx.build,
      node: process.version,
      os: `${io.os} ${os.release()}`,
      arch: io.arch,
      made: io.now().toISOString(),
    }),
    "status.json": await captured("status", ctx, (one) => runStatus({ json: true, workspace: paths.root }, one)),
    "doctor.json": await captured("doctor", ctx, (one) => runDoctor({ json: true, workspace: paths.root, edge: undefined }, one)),
    "files.txt": (await listing(paths.dir)).join("\n"),
    "airy.yaml": (await readLinkedText(paths.config)) ?? "",
    "state.json": (await readText(paths.state)) ?? "",
    "webhook.json": (await readText(paths.lease)) ?? "",
    known_edges: (await readText(paths.knownEdges)) ?? "",
    "events.ndjson": (await tailLines(paths.events, LINES)).join("\n"),
  };
  for (const name of (await readdir(paths.logs).catch(() => [])).filter((name) => name.endsWith(".log"))) {
    texts[`logs/${name}`] = (await tailLines(path.join(paths.logs, name), LINES)).join("\n");
  }
  const files = Object.entries(texts).filter(([, text]) => text !== "");
  const zip = zipSync(Object.fromEntries(files.map(([name, text]) => [name, strToU8(mask(text))])));
  await writeAtomic(file, zip);
  const lines = [
    `Wrote ${file} (${Math.ceil(zip.length / 1024)} KB), which only you can read:`,
    ...files.map(([name]) => `  ${name}`),
    "Secrets are masked; addresses, paths and names are in it as they are, and what programs wrote into their logs.",
    "Look at it before you send it to anybody. It holds no private key and no messages.",
  ];
  out.result({ file, bytes: zip.length, files: files.map(([name]) => name) }, { text: lines.join("\n") });
}

/** What a command prints with --json, also when it fails. */
async function captured(command: string, ctx: Context, run: (ctx: Context) => Promise<void>): Promise<string> {
  let text = "";
  const out = new Output({ ...quiet, now: ctx.io.now, stdout: (part) => (text += part) }, { command, json: true, stream: false });
  try {
    await run({ ...ctx, out });
  } catch (error) {
    text = json(errorBody(asAiryError(error)));
  }
  return text;
}

const quiet = { stderr: () => {} };

/** Names, kinds and sizes of what is in the state folder, three levels deep. */
async function listing(dir: string, depth = 0, above = ""): Promise<string[]> {
  const entries = await readdir(path.join(dir, above), { withFileTypes: true }).catch((error: unknown) => {
    if (errno(error) === "ENOENT" || errno(error) === "EACCES") return [];
    throw error;
  });
  const lines = await Promise.all(
    entries.map(async (entry) => {
      const name = path.join(above, entry.name);
      const found = await stat(path.join(dir, name)).catch(() => null);
      const line = `${(found ? found.mode & 0o777 : 0).toString(8).padStart(3, "0")} ${String(found?.size ?? "?").padStart(10)}  ${name}`;
      return [entry.isDirectory() ? `${line}/` : line, ...(entry.isDirectory() && depth < 2 ? await listing(dir, depth + 1, name) : [])];
    }),
  );
  return lines.flat();
}

/** What looks like a secret of Facebook's, a bearer token or a private key, whoever has written it down. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\bEAA[A-Za-z0-9]{16,}/g, "EAA********"],
  // The same in base64.
  [/\bRUFB[A-Za-z0-9+/=]{16,}/g, "RUFB********"],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, "$1 ********"],
  [
    /((?:access_token|appsecret_proof|client_secret|verify_token|token|secret|password|authorization)["']?\s*[:=]\s*["']?)[^\s"'&,}]{6,}/gi,
    "$1********",
  ],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, "(a private key)"],
];

/** Masks every secret that this workspace and the environment have, in the forms in which they are written down. */
async function createMask(paths: WorkspacePaths, env: Context["io"]["env"]): Promise<(text: string) => string> {
  const masker = new Masker();
  const hide = (secret: string | null | undefined): void => {
    if (!secret) return;
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64").replace(/=+$/, "")]) masker.hide(form);
  };
  const source = (await readLinkedText(paths.config)) ?? "";
  for (const { name, secret, variable } of configKeys()) {
    if (!secret) continue;
    const written = valueIn(source, name.split("."));
    hide(written);
    if (written && isReference(written)) hide(await recall(written, env).catch(() => null));
    if (variable) hide(env[variable]?.trim());
  }
  for (const [name, value] of Object.entries(env)) if (/TOKEN|SECRET|PASSWORD/i.test(name)) hide(value?.trim());
  for (const value of leaves(await readText(paths.secrets).catch(() => null))) hide(value);
  hide((await readRecord(paths))?.token);
  return (text) => PATTERNS.reduce((masked, [pattern, by]) => masked.replaceAll(pattern, by), masker.mask(text));
}

/** Every text in a JSON document but ids, which are no secrets; all of a file that is none. */
function leaves(text: string | null): string[] {
  if (text === null) return [];
  const found: string[] = [];
  try {
    JSON.parse(text, (key, value: unknown) => {
      if (typeof value === "string" && !key.endsWith("Id")) found.push(value);
      return value;
    });
  } catch {
    return text.split(/["\s]+/);
  }
  return found;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
