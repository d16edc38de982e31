/** Which edge carries the tunnel, and who else may use one of our own. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { publicKeyBlob } from "../../edge/names/identifier.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import type { State } from "../config/state.ts";
import { fail } from "../errors.ts";
import { pinnedKey } from "../tunnel/host-keys.ts";
import type { EdgeAddress } from "../tunnel/types.ts";

const DEFAULT_EDGE = "tunnel.airy.co";
const DEFAULT_PORT = 22;

/** Where an edge may speak SSH beside HTTPS, for networks that let nothing out to port 22. */
const SECOND_PORT = 443;
/** Of an SSH server that is not an edge: what public services take for a web server, and what a user of one's own server may open. */
const REMOTE_PORT = { service: 80, own: 8080 };

/** What `airy up` and `airy-proxy` say once of such a server. */
export const PLAIN_SERVER_LACKS =
  "This is an SSH server and not an edge: nothing waits there while this machine is away, the name is the server's to give, " +
  "and each request takes a channel of its own.";

/** Of an SSH server that is not an edge. */
export interface PlainServerAsked {
  publicUrl?: string | undefined;
  remotePort?: number | undefined;
}

/** `host`, `host:port`, `[v6]:port`; with `user@` in front an SSH server that is not an edge. Throws INVALID_ARGUMENT. */
export function parseEdge(text: string | null, command: string, asked: PlainServerAsked = {}): EdgeAddress {
  const given = text ?? DEFAULT_EDGE;
  const invalid = (reason: string): never => fail("INVALID_ARGUMENT", { command, reason });
  const match = /^(?:([^\s@:]+)@)?(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(given);
  const [, user, v6, name, portText] = match ?? [];
  const host = v6 ?? name;
  const port = portText === undefined ? DEFAULT_PORT : Number(portText);
  if (host === undefined || port < 1 || port > 65_535) {
    return invalid(`The edge is given as HOST or HOST:PORT, any other SSH server as USER@HOST; got "${given}".`);
  }
  if (user === undefined) {
    if (asked.publicUrl ?? asked.remotePort) invalid("An edge gives the URL by itself; --public-url and --remote-port are for USER@HOST.");
    return { host, port, ...(portText === undefined && { fallbackPort: SECOND_PORT }) };
  }
  const publicUrl = asked.publicUrl === undefined ? null : originOf(asked.publicUrl);
  if (asked.publicUrl !== undefined && publicUrl === null) {
    invalid(`--public-url is an http or https address without a path; got "${asked.publicUrl}".`);
  }
  const remotePort = asked.remotePort ?? (publicUrl === null ? REMOTE_PORT.service : REMOTE_PORT.own);
  return { host, port, plain: { user, publicUrl, remotePort } };
}

function originOf(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url && /^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "" && url.username === "" ? url.origin : null;
}

/**
 * The edge reads every webhook, and airy.yaml may have come with somebody's repository: one that only airy.yaml names is used when the user
 * has named it once, so that this workspace knows its host key. Throws INVALID_ARGUMENT, EDGE_UNCONFIRMED.
 */
export async function chooseEdge(
  asked: { edge: string | undefined; edgeKey: string | undefined } & PlainServerAsked,
  configured: { edge: string | null } & PlainServerAsked,
  paths: Pick<WorkspacePaths, "config" | "knownEdges">,
): Promise<EdgeAddress> {
  const server = { publicUrl: asked.publicUrl ?? configured.publicUrl, remotePort: asked.remotePort ?? configured.remotePort };
  const edge = parseEdge(asked.edge ?? configured.edge, "up", server);
  if (asked.edge !== undefined || asked.edgeKey !== undefined) return edge;
  if ((edge.host === DEFAULT_EDGE && edge.port === DEFAULT_PORT) || (await pinnedKey(paths.knownEdges, edge)) !== null) return edge;
  return fail("EDGE_UNCONFIRMED", { edge: configured.edge ?? "", file: paths.config });
}

/** Which edge a start is asked for. */
export interface EdgeAsked extends PlainServerAsked {
  edge?: string | undefined;
  edgeKey?: string | undefined;
}

/** What is asked now, or what the present run was asked for: `airy up` again, also after a crash, brings the same tunnel. */
export function rememberEdge(asked: EdgeAsked, configured: string | null, stored: State["edge"]): State["edge"] {
  const { edge, edgeKey, publicUrl, remotePort } = asked;
  if (edge !== undefined) return { edge, edgeKey, publicUrl, remotePort, configured };
  if (edgeKey !== undefined || publicUrl !== undefined || remotePort !== undefined) return null;
  return stored?.configured === configured ? stored : null;
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
