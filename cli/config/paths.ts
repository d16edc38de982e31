/** Where a workspace is, and where in it everything lies. */
import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import path from "node:path";

export interface WorkspacePaths {
  /** The folder that holds airy.yaml. */
  root: string;
  config: string;
  /** `.airy`: state, keys, logs; 0700. */
  dir: string;
  /** Who the workspace is, see workspace.ts. */
  self: string;
  state: string;
  secrets: string;
  /** What was registered as webhook before this workspace. */
  lease: string;
  /** Private key of the tunnel; the public name follows from it. */
  identity: string;
  /** Host keys of edges, pinned on first contact. */
  knownEdges: string;
  /** Host key of the sandbox's own edge. */
  sandboxEdgeKey: string;
  lock: string;
  agent: string;
  /** Held by the agent process as long as it lives. */
  agentLock: string;
  /** Which start is the latest: an agent process of an earlier one ends by itself. */
  agentStart: string;
  events: string;
  logs: string;
  agentLog: string;
}

export function workspacePaths(root: string): WorkspacePaths {
  const dir = path.join(root, ".airy");
  return {
    root,
    config: path.join(root, "airy.yaml"),
    dir,
    self: path.join(dir, "workspace.json"),
    state: path.join(dir, "state.json"),
    secrets: path.join(dir, "secrets.json"),
    lease: path.join(dir, "webhook.json"),
    identity: path.join(dir, "identity"),
    knownEdges: path.join(dir, "known_edges"),
    sandboxEdgeKey: path.join(dir, "sandbox_edge_key"),
    lock: path.join(dir, "up.lock"),
    agent: path.join(dir, "agent.json"),
    agentLock: path.join(dir, "agent.lock"),
    agentStart: path.join(dir, "agent.start"),
    events: path.join(dir, "events.ndjson"),
    logs: path.join(dir, "logs"),
    agentLog: path.join(dir, "logs", "agent.log"),
  };
}

/** Everything that airy makes in a state folder. */
const MADE = new Set([
  ".gitignore",
  "airy.schema.json",
  "workspace.json",
  "state.json",
  "secrets.json",
  "webhook.json",
  "identity",
  "identity.pub",
  "known_edges",
  "sandbox_edge_key",
  "sandbox_edge_key.pub",
  "up.lock",
  "agent.json",
  "agent.lock",
  "agent.start",
  "embedded.json",
  "events.ndjson",
  "events.ndjson.1",
  "logs",
  "backups",
  "postgres",
  "edge",
  "facebook",
  "docker",
  "facebook",
]);

/** Whether the name in a state folder is one of airy's; also of a draft that a killed process has left. */
export function isMade(name: string): boolean {
  return MADE.has(name) || MADE.has(name.replace(/\.(?:[0-9a-f]{8}\.tmp|[0-9a-f-]{36}\.new|\d+(?:\.stale)?)$/, ""));
}

/** 8 hex digits that follow from the path. */
export function pathHash(root: string): string {
  return createHash("sha256").update(root).digest("hex").slice(0, 8);
}

/**
 * `asked` wins; else the nearest folder upward that holds airy.yaml; else the current one; in each case by its real path, so that a link
 * leads to the same workspace. One that belongs to somebody else than the current folder does not count: in /tmp, say, anybody could put an
 * airy.yaml with an edge of their own above other people's folders.
 */
export async function findWorkspace(cwd: string, asked: string | undefined): Promise<WorkspacePaths> {
  if (asked !== undefined) return workspacePaths(await real(path.resolve(cwd, asked)));
  const here = await real(path.resolve(cwd));
  const owner = await stat(here).then(
    ({ uid }) => uid,
    () => 0,
  );
  for (let dir = here; ; dir = path.dirname(dir)) {
    const found = await stat(path.join(dir, "airy.yaml")).then(
      (s) => s.isFile() && (s.uid === owner || s.uid === 0),
      () => false,
    );
    if (found) return workspacePaths(dir);
    if (dir === path.dirname(dir)) return workspacePaths(here);
  }
}

/** Of a path that may not exist yet, or not all of it. */
async function real(file: string): Promise<string> {
  return realpath(file).catch(async () => {
    const above = path.dirname(file);
    return above === file ? file : path.join(await real(above), path.basename(file));
  });
}
