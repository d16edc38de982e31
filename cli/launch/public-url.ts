/** The public URL before there is a tunnel, for Viber's connector, which registers its webhook by itself when it starts. */
import { identifierOf, publicKeyBlob } from "../../edge/names/identifier.ts";
import type { AgentSettings } from "../agent/settings.ts";
import { PUBLIC_URL } from "../config/core.ts";
import type { State } from "../config/state.ts";
import { fail } from "../errors.ts";
import type { StatusData } from "../events.ts";
import type { PlatformSpec } from "../platform/platform.ts";
import type { Identity } from "../tunnel/identity.ts";
import type { EdgeAddress } from "../tunnel/types.ts";

/** Domain of an edge of our own; `*.localhost` leads to this machine (RFC 6761). */
export const SANDBOX_DOMAIN = "tunnel.localhost";

interface Known {
  stored: Pick<State, "callbacks">;
  edge: EdgeAddress;
  localEdge: boolean;
  ports: { edgeHttp: number };
}

/** The URL of the last start at this edge; before there is one, that which follows from the key and the edge's name. Pure. */
export function expectedUrl({ stored, edge, localEdge, ports }: Known, { publicKey }: Pick<Identity, "publicKey">): string {
  const blob = publicKeyBlob(publicKey) ?? fail("INTERNAL", { reason: "the workspace's key cannot be read" });
  const name = identifierOf(blob);
  if (localEdge) return `http://${name}.${SANDBOX_DOMAIN}:${ports.edgeHttp}`;
  if (edge.plain?.publicUrl) return edge.plain.publicUrl;
  const last = stored.callbacks.findLast((url) => new URL(url).hostname.endsWith(`.${edge.host}`));
  return last === undefined ? `https://${name}.${edge.host}` : new URL(last).origin;
}

/** What has to run where the edge has given another URL than was expected; null: it has not, or nobody was told of it. Pure. */
export function corrected({ spec }: Pick<AgentSettings, "spec">, { tunnel }: Pick<StatusData, "tunnel">): PlatformSpec | null {
  const { core } = spec;
  const told = core?.variables[PUBLIC_URL];
  if (!core || told === undefined || !tunnel?.url || told === tunnel.url) return null;
  return { ...spec, core: { ...core, variables: { ...core.variables, [PUBLIC_URL]: tunnel.url } } };
}
