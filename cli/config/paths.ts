/** Where a workspace is, and where in it everything lies. */
import { stat } from "node:fs/promises";
import path from "node:path";

export interface WorkspacePaths {
  /** The folder that holds airy.yaml. */
  root: string;
  config: string;
  /** `.airy`: state, keys, logs; 0700. */
  dir: string;
  state: string;
  secrets: string;
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
    state: path.join(dir, "state.json"),
    secrets: path.join(dir, "secrets.json"),
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

/**
 * `asked` wins; else the nearest folder upward that holds airy.yaml; else the current one. One that belongs to somebody else than the current
 * folder does not count: in /tmp, say, anybody could put an airy.yaml with an edge of their own above other people's folders.
 */
export async function findWorkspace(cwd: string, asked: string | undefined): Promise<WorkspacePaths> {
  if (asked !== undefined) return workspacePaths(path.resolve(cwd, asked));
  const owner = await stat(cwd).then(
    ({ uid }) => uid,
    () => 0,
  );
  for (let dir = path.resolve(cwd); ; dir = path.dirname(dir)) {
    const found = await stat(path.join(dir, "airy.yaml")).then(
      (s) => s.isFile() && (s.uid === owner || s.uid === 0),
      () => false,
    );
    if (found) return workspacePaths(dir);
    if (dir === path.dirname(dir)) return workspacePaths(path.resolve(cwd));
  }
}
