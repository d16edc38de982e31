/** Which edge carries the tunnel, and who else may use one of our own. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { publicKeyBlob } from "../../edge/names/identifier.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { fail } from "../errors.ts";
import { pinnedKey } from "../tunnel/host-keys.ts";

const DEFAULT_EDGE = "tunnel.airy.co";
const DEFAULT_PORT = 22;

export interface EdgeAddress {
  host: string;
  /** 22 unless told. */
  port: number;
}

/** `host`, `host:port`, `[v6]:port`. Throws INVALID_ARGUMENT. */
export function parseEdge(text: string | null, command: string): EdgeAddress {
  const given = text ?? DEFAULT_EDGE;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(given);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    return fail("INVALID_ARGUMENT", { command, reason: `The edge is given as HOST or HOST:PORT; got "${given}".` });
  }
  return { host, port };
}

/**
 * The edge reads every webhook, and airy.yaml may have come with somebody's repository: one that only airy.yaml names is used when the user
 * has named it once, so that this workspace knows its host key. Throws INVALID_ARGUMENT, EDGE_UNCONFIRMED.
 */
export async function chooseEdge(
  asked: { edge: string | undefined; edgeKey: string | undefined },
  configured: string | null,
  paths: Pick<WorkspacePaths, "config" | "knownEdges">,
): Promise<EdgeAddress> {
  const edge = parseEdge(asked.edge ?? configured, "up");
  if (asked.edge !== undefined || asked.edgeKey !== undefined) return edge;
  if ((edge.host === DEFAULT_EDGE && edge.port === DEFAULT_PORT) || (await pinnedKey(paths.knownEdges, edge)) !== null) return edge;
  return fail("EDGE_UNCONFIRMED", { edge: configured ?? "", file: paths.config });
}

/** Public keys, one a line, that the sandbox's edge admits beside the workspace's own. Throws INVALID_ARGUMENT. */
export async function readAdmitted(asked: string | undefined, sandbox: boolean, cwd: string): Promise<string> {
  if (asked === undefined) return "";
  const invalid = (reason: string): never => fail("INVALID_ARGUMENT", { command: "up", reason: `--edge-keys ${asked}: ${reason}` });
  if (!sandbox) return invalid("Only the edge of a sandbox is this workspace's own.");
  const text = await readFile(path.resolve(cwd, asked), "utf8").catch((error: Error) => invalid(error.message));
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.trim().startsWith("#"));
  const wrong = lines.find((line) => publicKeyBlob(line) === null);
  if (wrong !== undefined) invalid(`"${wrong.slice(0, 60)}" is not a public key line ("ssh-ed25519 AAAA...").`);
  return `${lines.join("\n")}\n`;
}
