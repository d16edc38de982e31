/** `airy-proxy 3000`: the tunnel on its own. The URL comes first and alone on stdout, everything else goes to stderr. */
import path from "node:path";
import { lookAtCrypto } from "../checks/crypto.ts";
import { configHome } from "../config/home.ts";
import type { Context } from "../context.ts";
import { fail, type AiryError } from "../errors.ts";
import type { AiryEvent, RequestRecord, StatusData, TunnelStatus } from "../events.ts";
import { parseEdge } from "../launch/edge.ts";
import { createLines } from "../report/lines.ts";
import type { Output } from "../report/output.ts";
import { loadOrCreateIdentity, loadOrMakeIdentity } from "../tunnel/identity.ts";
import { startTunnel, type RunningTunnel, type TunnelConfig } from "../tunnel/tunnel.ts";
import type { Options } from "./table.ts";

export async function runProxy(options: Options<"proxy">, ctx: Context): Promise<void> {
  const config = await tunnelConfig(options, ctx);
  const slow = lookAtCrypto();
  if (slow) ctx.out.warn({ code: "SLOW_CRYPTO", ...slow });
  const tunnel = startTunnel({ ...config, ...report(options, ctx.out) });
  const error = await ended(tunnel, ctx.signal);
  await tunnel.close();
  if (error) throw error;
  ctx.out.result(statusOf(tunnel.status(), options.target));
}

type Asked = Omit<TunnelConfig, "onStatus" | "onRequest" | "onFirstContact" | "log">;

/** Throws INVALID_ARGUMENT, IDENTITY_UNREADABLE. */
async function tunnelConfig(options: Options<"proxy">, { io }: Context): Promise<Asked> {
  const target = parseTarget(options.target);
  const edge = parseEdge(options.edge ?? null, "proxy");
  for (const prefix of [...options.path, ...options.hold]) {
    if (!prefix.startsWith("/")) fail("INVALID_ARGUMENT", { command: "proxy", reason: `a path prefix begins with a slash: ${prefix}` });
  }
  if (options.name && options.ephemeral)
    fail("INVALID_ARGUMENT", { command: "proxy", reason: "--name and --ephemeral exclude each other" });
  const file = options.identity ? path.resolve(io.cwd, options.identity) : path.join(configHome(io.env), "identity");
  const { privateKey } = await (options.ephemeral ? loadOrMakeIdentity : loadOrCreateIdentity)(file);
  return {
    edge,
    hostKey: options.edgeKey
      ? { kind: "known", key: options.edgeKey }
      : { kind: "pin", file: path.join(path.dirname(file), "known_edges") },
    identity: privateKey,
    target,
    paths: options.path,
    hold: options.hold,
    holdSigned: false,
    name: options.name ?? null,
    ephemeral: options.ephemeral,
    onRefused: "close",
  };
}

/** What happens, as lines on stderr or as events on stdout; the URL as soon as there is one, and again when it changes. */
function report(options: Options<"proxy">, out: Output): Pick<TunnelConfig, "onStatus" | "onRequest" | "onFirstContact" | "log"> {
  const lines = createLines();
  let announced: string | null = null;
  const tell = (event: AiryEvent): void => {
    out.item(event);
    const line = out.json ? null : lines.line(event);
    if (line) out.note(line.trim());
  };
  return {
    onStatus: (tunnel: TunnelStatus) => {
      const event = out.stamp({ type: "tunnel", tunnel });
      if (out.json || tunnel.state !== "open" || tunnel.url === null || tunnel.url === announced) return tell(event);
      announced = tunnel.url;
      out.line(tunnel.url);
      out.note(`${tunnel.url} -> ${options.target}   (${exposure(options.path)}; Ctrl-C stops it)`);
    },
    onRequest: (request: RequestRecord) => tell(out.stamp({ type: "request", request })),
    onFirstContact: (fingerprint) => {
      const message = `first contact with this edge; its host key ${fingerprint} is trusted from now on`;
      tell(out.stamp({ type: "check", id: "edge-key", status: "ok", message }));
    },
    // The states say the rest.
    log: (line) => {
      if (line.startsWith("host key not pinned")) out.note(line);
    },
  };
}

/** Resolves with why the tunnel ended by itself, null when it is to end. */
function ended(tunnel: RunningTunnel, signal: AbortSignal): Promise<AiryError | null> {
  return new Promise((resolve) => {
    const quit = (): void => resolve(null);
    signal.addEventListener("abort", quit, { once: true });
    if (signal.aborted) quit();
    void tunnel.closed.then(resolve);
  });
}

function statusOf(tunnel: TunnelStatus, target: string): StatusData {
  return {
    state: tunnel.state === "open" ? "running" : tunnel.state === "closed" ? "stopped" : "degraded",
    engine: null,
    edition: "basic",
    sandbox: false,
    platform: { url: target, services: [] },
    tunnel,
    webhooks: [],
    control: { url: null },
  };
}

function exposure(paths: readonly string[]): string {
  return paths.length === 0 ? "every path is public" : `public: ${paths.join(", ")}`;
}

/** `3000`, `host:3000` or `http://host:3000`. */
function parseTarget(text: string): { host: string; port: number } {
  const match =
    /^(?:http:\/\/)?(?:(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):)?([0-9]{1,5})\/?$/i.exec(text) ??
    /^http:\/\/(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)()\/?$/i.exec(text);
  const port = Number(match?.[2] || 80);
  if (!match || port < 1 || port > 65_535) {
    return fail("INVALID_ARGUMENT", { command: "proxy", reason: `"${text}" is not a port, host:port or http:// URL of a local server` });
  }
  return { host: (match[1] ?? "localhost").replace(/^\[|\]$/g, ""), port };
}
