/** What a workspace remembers between runs: `.airy/state.json`, and the secrets that were made for it: `.airy/secrets.json`. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { makePrivateDir, readText, writeAtomic } from "../io/files.ts";
import { fail } from "../errors.ts";
import schema from "../../templates/airy.schema.json" with { type: "json" };
import { profileNames } from "./core.ts";
import type { WorkspacePaths } from "./paths.ts";

const VERSION = 1;

const port = z.int().min(1).max(65_535);

const portsSchema = z.object({
  platform: port,
  edgeSsh: port,
  edgeHttp: port,
  facebook: port,
  /** The control API of the agent process. */
  control: port.nullable(),
});

const edgeSchema = z.object({
  edge: z.string(),
  edgeKey: z.string().optional(),
  publicUrl: z.string().optional(),
  remotePort: port.optional(),
  /** What airy.yaml named; once it names another one, that counts. */
  configured: z.string().nullable(),
});

const stateSchema = z.object({
  version: z.literal(VERSION),
  /** null until the first `up` has chosen. */
  engine: z.enum(["docker", "embedded"]).nullable(),
  /** What runs the conversations: our own platform, or Airy Core. The user's last choice. */
  edition: z.enum(["basic", "core"]).default("basic"),
  /** The optional parts of Airy Core that ran last. */
  profiles: z.array(z.enum(profileNames)).default([]),
  /** The docker engine that has the containers and messages; null for the embedded engine. */
  engineAt: z.object({ id: z.string(), endpoint: z.string() }).nullable().default(null),
  /** Whether the present run is a sandbox; forgotten by `down`, so that a crash does not change what runs. */
  sandbox: z.boolean().nullable(),
  /** Which edge the present run was asked to use, in place of what airy.yaml said then; forgotten by `down` as well. */
  edge: edgeSchema.nullable().default(null),
  ports: portsSchema.nullable(),
  /** Callback URLs that this workspace has registered: a webhook that points to one of them is ours. */
  callbacks: z.array(z.string()),
  /** The edge that may hold messages for this workspace, with its host key where that was given; null: none was asked to. */
  heldAt: z
    .object({ host: z.string(), port, key: z.string().nullable().default(null) })
    .nullable()
    .default(null),
});

const secretsSchema = z.object({
  version: z.literal(VERSION),
  databasePassword: z.string().min(1),
  verifyToken: z.string().min(1),
  /** What the platform encrypts page tokens under. */
  platformSecret: z.string().min(1).optional(),
  sandbox: z.object({
    appId: z.string().min(1),
    appSecret: z.string().min(1),
    pageId: z.string().min(1),
    pageToken: z.string().min(1),
    commandToken: z.string().min(1),
  }),
});

export type State = z.output<typeof stateSchema>;
export type Ports = z.output<typeof portsSchema>;
export type Secrets = z.output<typeof secretsSchema>;

const emptyState: State = {
  version: VERSION,
  engine: null,
  edition: "basic",
  profiles: [],
  engineAt: null,
  sandbox: null,
  edge: null,
  ports: null,
  callbacks: [],
  heldAt: null,
};

/** Makes what a state folder needs from the start. Throws WORKSPACE_NOT_WRITABLE. */
export async function prepareStateDir(paths: WorkspacePaths): Promise<void> {
  try {
    await makePrivateDir(paths.dir);
    await makePrivateDir(paths.logs);
    await writeAtomic(path.join(paths.dir, ".gitignore"), "*\n", 0o644);
    await writeSchema(path.join(paths.dir, "airy.schema.json"));
  } catch (error) {
    fail("WORKSPACE_NOT_WRITABLE", { dir: paths.root, reason: error instanceof Error ? error.message : String(error) });
  }
}

/** What editors know of airy.yaml, which names this file in its first line. */
async function writeSchema(file: string): Promise<void> {
  const text = `${JSON.stringify(schema, null, 2)}\n`;
  if ((await readText(file)) !== text) await writeAtomic(file, text);
}

/** Throws STATE_UNREADABLE, UPGRADE_REQUIRED. */
export async function readState(paths: WorkspacePaths): Promise<State> {
  return (await read(paths.state, stateSchema)) ?? emptyState;
}

export async function writeState(paths: WorkspacePaths, state: State): Promise<void> {
  await writeAtomic(paths.state, `${JSON.stringify(state, null, 2)}\n`);
}

/** null before the first `up`. Throws STATE_UNREADABLE, UPGRADE_REQUIRED. */
export async function readSecrets(paths: WorkspacePaths): Promise<Secrets | null> {
  return read(paths.secrets, secretsSchema);
}

/** Reads the secrets of the workspace, or makes them. Throws STATE_UNREADABLE, UPGRADE_REQUIRED. */
export async function loadOrCreateSecrets(paths: WorkspacePaths): Promise<Secrets> {
  const known = await readSecrets(paths);
  if (known?.platformSecret) return known;
  const made: Secrets = {
    version: VERSION,
    databasePassword: token(),
    verifyToken: token(),
    sandbox: newSandboxSecrets(),
    ...known,
    platformSecret: token(),
  };
  await writeAtomic(paths.secrets, `${JSON.stringify(made, null, 2)}\n`);
  return made;
}

/** An app, a page and the token of the command channel for a stand-in for Facebook. */
export function newSandboxSecrets(): Secrets["sandbox"] {
  return {
    appId: digits(15),
    appSecret: randomBytes(16).toString("hex"),
    pageId: digits(15),
    pageToken: `EAA${token()}`,
    commandToken: token(),
  };
}

async function read<T extends z.ZodType>(file: string, schema: T): Promise<z.output<T> | null> {
  const text = await readText(file);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    fail("STATE_UNREADABLE", { file, reason: "It is not JSON." });
  }
  const version = z.object({ version: z.number() }).safeParse(value);
  if (version.success && version.data.version > VERSION) fail("UPGRADE_REQUIRED", { file, found: version.data.version, known: VERSION });
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  return fail("STATE_UNREADABLE", { file, reason: `${issue?.path.join(".") || "The file"}: ${issue?.message ?? "not valid"}` });
}

function token(): string {
  return randomBytes(24).toString("base64url");
}

/** Facebook's ids are long numbers. */
function digits(length: number): string {
  return Array.from(randomBytes(length), (byte, i) => String(i === 0 ? 1 + (byte % 9) : byte % 10)).join("");
}
