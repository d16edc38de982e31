/** `--edge local`: an edge in the agent process, for this machine alone. */
import path from "node:path";
import { startEdge } from "../../edge/index.ts";
import { isFree } from "../checks/ports.ts";
import { fail } from "../errors.ts";
import { makePrivateDir, writeAtomic } from "../io/files.ts";
import type { PlatformSpec } from "../platform/platform.ts";
import type { AgentSettings } from "./settings.ts";

/** What it has in flight when it is closed. */
const GRACE_MS = 2_000;

/** Throws PORT_TAKEN, EDGE_START. */
export async function startLocalEdge(
  { workspace, ports }: Pick<PlatformSpec, "workspace" | "ports">,
  { domain, edgeHostKey, edgeKeys }: NonNullable<AgentSettings["localEdge"]>,
  log: (line: string) => void,
): Promise<{ close(): Promise<void> }> {
  const dataDir = path.join(workspace, ".airy", "edge");
  const authorizedKeys = path.join(dataDir, "authorized_keys");
  await makePrivateDir(dataDir);
  await writeAtomic(authorizedKeys, edgeKeys);
  try {
    const running = await startEdge({
      domain,
      ssh: { host: "127.0.0.1", port: ports.edgeSsh },
      http: { host: "127.0.0.1", port: ports.edgeHttp },
      admin: null,
      dataDir,
      access: { authorizedKeys, deniedKeys: null },
      hostKey: edgeHostKey,
      publicPort: null,
      log: (line) => log(`edge: ${line}`),
    });
    return { close: () => running.close(GRACE_MS) };
  } catch (error) {
    for (const port of [ports.edgeSsh, ports.edgeHttp]) {
      if (!(await isFree(port))) fail("PORT_TAKEN", { port, service: "edge", holder: null }, { cause: error });
    }
    const { code = "", message } = error as Error & { code?: string };
    return fail("EDGE_START", { code, reason: message }, { cause: error });
  }
}
