/** What happens, as lines on stderr or as events on stdout; the URL as soon as there is one, and again when it changes. */
import { lookAtWay, wayText } from "../checks/way.ts";
import type { AiryEvent } from "../events.ts";
import { createLines } from "../report/lines.ts";
import type { Output } from "../report/output.ts";
import type { Route } from "../tunnel/services.ts";
import type { EdgeAddress, TunnelConfig } from "../tunnel/types.ts";
import { routeText } from "./targets.ts";

interface ReportInput {
  out: Output;
  config: { edge: EdgeAddress; paths: readonly string[]; routes: readonly Route[] };
  /** The status that is rehearsed; null: none. */
  fail: string | null;
}

type Listeners = Required<Pick<TunnelConfig, "onStatus" | "onRequest" | "onFirstContact" | "onService" | "log">>;

export function createProxyReport({ out, config, fail }: ReportInput): Listeners {
  const lines = createLines();
  let announced: string | null = null;
  let everOpen = false;
  let looked = false;
  /** Once, when the tunnel does not come up: why that may be. */
  const explain = async (): Promise<void> => {
    looked = true;
    const steps = await lookAtWay(config.edge);
    for (const step of steps) out.item(out.stamp(step));
    if (!out.json && !everOpen) out.note(`The way to ${config.edge.host}, while the tunnel goes on trying:\n${wayText(steps)}`);
  };
  const tell = (event: AiryEvent): void => {
    out.item(event);
    const line = out.json ? null : lines.line(event);
    if (line) out.note(line.trim());
  };
  return {
    onStatus: (tunnel) => {
      const event = out.stamp({ type: "tunnel", tunnel });
      if (tunnel.state === "open") everOpen = true;
      if (tunnel.state === "waiting" && !everOpen && !looked) void explain();
      if (out.json || tunnel.state !== "open" || tunnel.url === null || tunnel.url === announced) return tell(event);
      announced = tunnel.url;
      out.line(tunnel.url);
      out.note(`${tunnel.url} -> ${config.routes.map(routeText).join(", ")}   (${exposure(config)}; Ctrl-C stops it)`);
      if (fail !== null) out.note(`Everything is answered with ${fail} for now, as --fail says.`);
    },
    onRequest: (request) => tell(out.stamp({ type: "request", request })),
    onFirstContact: (fingerprint) => {
      const message = `first contact with this edge; its host key ${fingerprint} is trusted from now on`;
      tell(out.stamp({ type: "check", id: "edge-key", status: "ok", message }));
    },
    onService: ({ url, up, reason }) => {
      const message = up ? `${url} answers again` : `${url} does not take connections (${reason}): until it does, requests get 502`;
      out.item(out.stamp({ type: "check", id: "local-service", status: up ? "ok" : "warn", message }));
      out.note(`${up ? "ok  " : "warn"}  ${message}`);
    },
    // The states say the rest.
    log: (line) => {
      if (line.startsWith("host key not pinned")) out.note(line);
    },
  };
}

/** Without a server for `/`, the prefixes of the others are all that is public. */
function exposure({ paths, routes }: Pick<ReportInput["config"], "paths" | "routes">): string {
  const open = paths.length > 0 ? paths : routes.some(({ prefix }) => prefix === "/") ? [] : routes.map(({ prefix }) => prefix);
  return open.length === 0 ? "every path is public" : `public: ${open.join(", ")}`;
}
