/** What happens, as lines on stderr or as events on stdout; the URL as soon as there is one, and again when it changes. */
import { lookAtWay, wayText } from "../checks/way.ts";
import type { AiryEvent } from "../events.ts";
import { createLines } from "../report/lines.ts";
import type { Output } from "../report/output.ts";
import type { Route } from "../tunnel/services.ts";
import type { EdgeAddress, TunnelConfig } from "../tunnel/types.ts";
import { routeText } from "./targets.ts";
import type { View } from "./view.ts";

interface ReportInput {
  out: Output;
  config: { edge: EdgeAddress; paths: readonly string[]; routes: readonly Route[] };
  /** The status that is rehearsed; null: none. */
  fail: string | null;
  /** On a terminal; null: everything is a line of its own. */
  view: View | null;
}

type Listeners = Required<Pick<TunnelConfig, "onStatus" | "onRequest" | "onFirstContact" | "onService" | "log">>;

export function createProxyReport({ out, config, fail, view }: ReportInput): Listeners {
  const lines = createLines();
  const note = (text: string): void => (view ? view.around(() => out.note(text)) : out.note(text));
  let announced: string | null = null;
  let everOpen = false;
  let looked = false;
  /** Once, when the tunnel does not come up: why that may be. */
  const explain = async (): Promise<void> => {
    looked = true;
    const steps = await lookAtWay(config.edge);
    for (const step of steps) out.item(out.stamp(step));
    if (!out.json && !everOpen) note(`The way to ${config.edge.host}, while the tunnel goes on trying:\n${wayText(steps)}`);
  };
  const tell = (event: AiryEvent): void => {
    out.item(event);
    const line = out.json ? null : lines.line(event);
    if (line) note(line.trim());
  };
  return {
    onStatus: (tunnel) => {
      const event = out.stamp({ type: "tunnel", tunnel });
      if (tunnel.state === "open") everOpen = true;
      if (tunnel.state === "waiting" && !everOpen && !looked) void explain();
      if (out.json || tunnel.state !== "open" || tunnel.url === null || tunnel.url === announced)
        return view ? view.status(tunnel) : tell(event);
      const { url } = tunnel;
      announced = url;
      if (view) view.around(() => out.line(url));
      else out.line(url);
      note(`${url} -> ${config.routes.map(routeText).join(", ")}   (${exposure(config)}; Ctrl-C stops it)`);
      if (fail !== null) note(`Everything is answered with ${fail} for now, as --fail says.`);
      view?.status(tunnel);
    },
    onRequest: (request) => (view ? view.request(request) : tell(out.stamp({ type: "request", request }))),
    onFirstContact: (fingerprint) => {
      const message = `first contact with this edge; its host key ${fingerprint} is trusted from now on`;
      tell(out.stamp({ type: "check", id: "edge-key", status: "ok", message }));
    },
    onService: ({ url, up, reason }) => {
      const message = up ? `${url} answers again` : `${url} does not take connections (${reason}): until it does, requests get 502`;
      out.item(out.stamp({ type: "check", id: "local-service", status: up ? "ok" : "warn", message }));
      note(`${up ? "ok  " : "warn"}  ${message}`);
    },
    // The states say the rest.
    log: (line) => {
      if (line.startsWith("host key not pinned")) note(line);
    },
  };
}

/** Without a server for `/`, the prefixes of the others are all that is public. */
function exposure({ paths, routes }: Pick<ReportInput["config"], "paths" | "routes">): string {
  const open = paths.length > 0 ? paths : routes.some(({ prefix }) => prefix === "/") ? [] : routes.map(({ prefix }) => prefix);
  return open.length === 0 ? "every path is public" : `public: ${open.join(", ")}`;
}
