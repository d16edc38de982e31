/** Makes the edge forget what it holds for a workspace, whether or not the agent process runs. */
import type { WorkspacePaths } from "../config/paths.ts";
import { joinSignals } from "../io/signals.ts";
import { loadOrCreateIdentity } from "../tunnel/identity.ts";
import { startTunnel } from "../tunnel/tunnel.ts";
import { askHeld } from "./client.ts";
import { findAgent } from "./record.ts";

const WITHIN_MS = 10_000;

/** Resolves with how many messages that were. Throws SSH_UNREACHABLE, TUNNEL_NOT_OPEN and what else keeps a tunnel from opening. */
export async function forgetHeld(paths: WorkspacePaths, edge: { host: string; port: number; key: string | null }): Promise<number> {
  const agent = await findAgent(paths);
  if (agent) return askHeld(agent, "purge");
  const identity = await loadOrCreateIdentity(paths.identity);
  // Nothing is exposed meanwhile: no path begins with this.
  const tunnel = startTunnel({
    edge,
    hostKey: edge.key === null ? { kind: "pin", file: paths.knownEdges } : { kind: "known", key: edge.key },
    identity: identity.privateKey,
    target: { host: "127.0.0.1", port: 9 },
    paths: ["/-"],
    hold: [],
    holdSigned: true,
    onRefused: "close",
    onStatus: () => {},
    onRequest: () => {},
    log: () => {},
  });
  const given = joinSignals([], WITHIN_MS);
  try {
    given.signal.addEventListener("abort", () => void tunnel.close());
    await tunnel.opened;
    return await tunnel.purgeHeld();
  } finally {
    given.release();
    await tunnel.close();
  }
}
