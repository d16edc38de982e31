/** airy.yaml and the environment -> what the user wants. Unknown keys are errors that name the line. */
import { LineCounter, isMap, isNode, isScalar, parseDocument, type Document } from "yaml";
import type { z } from "zod";
import { fail } from "../errors.ts";
import { coreConfig, type CoreConfig } from "./core.ts";
import { isReference, recall } from "./keyring.ts";
import { schema } from "./schema.ts";
import { readLinkedText, writeAtomic } from "../io/files.ts";
import template from "../../templates/airy.yaml";

/** What identifies the Facebook app; the webhook secret (the verify token) is made when it is not given. */
export interface FacebookApp {
  appId: string;
  appSecret: string;
  webhookSecret: string | null;
}

/** As they are given, in airy.yaml or the environment; perhaps not all. */
interface FacebookKeys {
  appId?: string | undefined;
  appSecret?: string | undefined;
  webhookSecret?: string | undefined;
}

/** Our own platform, or Airy Core's images. */
export type Edition = "basic" | "core";

export interface Config {
  edge: string | null;
  /** Where the edge is an SSH server of another kind: its URL for this workspace, and the port it listens on for it. */
  publicUrl: string | undefined;
  remotePort: number | undefined;
  /** Host key of the edge, an OpenSSH line. */
  edgeKey: string | undefined;
  /** Of the platform. */
  port: number | undefined;
  engine: "auto" | "docker" | "embedded" | null;
  edition: Edition | null;
  /** What of Airy Core is used beside its core. */
  core: CoreConfig;
  /** Whether messages may wait at the edge. */
  hold: boolean;
  facebook: FacebookKeys;
  /** Base of the Graph API, without version. */
  graphUrl: string;
  /** In place of the pinned one, e.g. `v25.0`. */
  graphVersion?: string;
  /** Who may use the platform's API, and how long it keeps what Facebook sent. */
  api: { token: string | undefined; origins: string[] | undefined; retentionDays: number | undefined };
}

type Env = Readonly<Record<string, string | undefined>>;

/** Throws CONFIG_INVALID, KEYRING_UNREADABLE. A file that does not exist is an empty one. */
export async function readConfig(file: string, env: Env): Promise<Config> {
  const source = (await readLinkedText(file)) ?? "";
  const parsed = parseConfig(file, source);
  await recallAll(parsed, file, env);
  const graphUrl = env.AIRY_GRAPH_URL?.trim() || "https://graph.facebook.com";
  if (!URL.canParse(graphUrl))
    fail("CONFIG_INVALID", { file: "the environment", line: null, key: "AIRY_GRAPH_URL", reason: "It is not a URL." });
  const graphVersion = env.AIRY_GRAPH_VERSION?.trim();
  if (graphVersion && !/^v\d{1,3}\.\d$/.test(graphVersion)) {
    fail("CONFIG_INVALID", { file: "the environment", line: null, key: "AIRY_GRAPH_VERSION", reason: "It is not a version like v26.0." });
  }
  return {
    edge: parsed.edge ?? null,
    publicUrl: parsed.publicUrl,
    remotePort: parsed.remotePort,
    edgeKey: parsed.edgeKey,
    port: parsed.port,
    engine: parsed.engine ?? null,
    edition: parsed.edition ?? null,
    core: coreConfig(parsed.components, file, env),
    hold: parsed.hold ?? true,
    facebook: facebookKeys(parsed.components?.sources?.facebook ?? {}, file, env),
    graphUrl: graphUrl.replace(/\/+$/, ""),
    ...(graphVersion && { graphVersion }),
    api: {
      token: env.AIRY_API_TOKEN?.trim() || parsed.security?.systemToken,
      origins: (env.AIRY_ALLOWED_ORIGINS?.trim() || parsed.security?.allowedOrigins)?.split(",").map((origin) => origin.trim()),
      retentionDays: retentionOf(env) ?? parsed.retentionDays,
    },
  };
}

/** Writes the commented airy.yaml where there is none, private because an app secret may be written into it. Returns whether it did. */
export async function writeDefaultConfig(file: string): Promise<boolean> {
  if ((await readLinkedText(file)) !== null) return false;
  await writeAtomic(file, template);
  return true;
}

function retentionOf(env: Env): number | undefined {
  const given = env.AIRY_RETENTION_DAYS?.trim();
  if (!given) return undefined;
  if (/^[1-9]\d{0,4}$/.test(given)) return Number(given);
  return fail("CONFIG_INVALID", { file: "the environment", line: null, key: "AIRY_RETENTION_DAYS", reason: "It is not a number of days." });
}

/** Puts secrets in the place of references to the keyring; one that a variable replaces is not asked for. */
async function recallAll(node: object, file: string, env: Env, above: readonly string[] = []): Promise<void> {
  for (const [name, value] of Object.entries(node)) {
    const path = [...above, name];
    if (typeof value === "object" && value !== null) await recallAll(value, file, env, path);
    if (typeof value !== "string" || !isReference(value)) continue;
    const key = path.join(".");
    const { configKeys } = await import("./schema.ts");
    const variable = configKeys().find((each) => each.name === key)?.variable ?? null;
    const given = variable !== null && !!env[variable]?.trim();
    const secret = given
      ? undefined
      : await recall(value, env).catch((error: Error) => fail("KEYRING_UNREADABLE", { key, file, variable, reason: error.message }));
    Object.assign(node, { [name]: secret });
  }
}

/** Throws CONFIG_INVALID. */
export function parseConfig(file: string, source: string): z.output<typeof schema> {
  const lines = new LineCounter();
  // "failsafe" keeps every value a string: an app id is not a number, and would lose digits as one.
  const document = parseDocument(source, { schema: "failsafe", lineCounter: lines });
  const broken = document.errors[0];
  if (broken) {
    const line = broken.linePos?.[0].line ?? lines.linePos(broken.pos[0]).line;
    const reason = broken.message.split("\n")[0]?.replace(/ at line \d+, column \d+:$/, "") ?? "";
    fail("CONFIG_INVALID", { file, line, key: null, reason });
  }
  const result = schema.safeParse(document.contents === null ? {} : document.toJS());
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (issue?.code === "unrecognized_keys") {
    const path = [...issue.path, issue.keys[0] ?? ""];
    return fail("CONFIG_INVALID", { file, line: lineOf(document, path, lines), key: path.join("."), reason: "There is no such key." });
  }
  const path = issue?.path ?? [];
  const key = path.length > 0 ? path.join(".") : null;
  return fail("CONFIG_INVALID", { file, line: lineOf(document, path, lines), key, reason: issue?.message ?? "It is not valid." });
}

/** Line of the key at `path`, or of the innermost parent that exists. */
function lineOf(document: Document, path: readonly PropertyKey[], lines: LineCounter): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const name of path) {
    if (!isMap(node)) break;
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(name));
    if (!pair || !isScalar(pair.key)) break;
    offset = pair.key.range?.[0] ?? offset;
    node = pair.value;
  }
  return Math.max(1, lines.linePos(offset).line);
}

/** The environment wins, one value at a time; trimmed as the file's are, because `$(cat secret.txt)` brings a line end of Windows along. */
function facebookKeys(given: FacebookKeys, file: string, env: Env): FacebookKeys {
  const pick = (key: keyof FacebookKeys, variable: string): string | undefined => {
    const named = env[variable]?.trim();
    const value = named || given[key];
    // Nothing that Facebook gives out, or that can be sent to it.
    const odd = /[^\x21-\x7e]/.exec(value ?? "")?.[0];
    if (odd === undefined || (key === "webhookSecret" && /\P{Cc}/u.test(odd))) return value;
    const reason = `It holds a character that cannot be part of it (U+${odd.codePointAt(0)?.toString(16).padStart(4, "0").toUpperCase()}).`;
    const where = named ? { file: "the environment", key: variable } : { file, key: `components.sources.facebook.${key}` };
    return fail("CONFIG_INVALID", { ...where, line: null, reason });
  };
  return {
    appId: pick("appId", "FACEBOOK_APP_ID"),
    appSecret: pick("appSecret", "FACEBOOK_APP_SECRET"),
    webhookSecret: pick("webhookSecret", "FACEBOOK_WEBHOOK_SECRET"),
  };
}

/** null when nothing at all is configured. Throws SECRET_MISSING when only a part is. */
export function facebookApp(config: Pick<Config, "facebook">, file: string): FacebookApp | null {
  const { appId, appSecret, webhookSecret } = config.facebook;
  if (appId && appSecret) return { appId, appSecret, webhookSecret: webhookSecret ?? null };
  if (!appId && !appSecret && !webhookSecret) return null;
  const all = [
    { key: "appId", variable: "FACEBOOK_APP_ID", value: appId },
    { key: "appSecret", variable: "FACEBOOK_APP_SECRET", value: appSecret },
    { key: "webhookSecret", variable: "FACEBOOK_WEBHOOK_SECRET", value: webhookSecret },
  ];
  const missing = all.filter((entry) => !entry.value && entry.key !== "webhookSecret");
  return fail("SECRET_MISSING", {
    missing: missing.map((entry) => entry.key),
    present: all.filter((entry) => entry.value).map((entry) => entry.key),
    keys: missing.map((entry) => entry.key),
    variables: missing.map((entry) => entry.variable),
    source: `${file} and the environment`,
  });
}
