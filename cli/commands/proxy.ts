/** `airy-proxy 3000`: the tunnel on its own. The URL comes first and alone on stdout, everything else goes to stderr. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { startControl } from "../agent/control.ts";
import { createJournal } from "../agent/journal.ts";
import { lookAtCrypto } from "../checks/crypto.ts";
import { writeAtomic } from "../io/files.ts";
import { parseEdge } from "../launch/edge.ts";
import type { StatusData, TunnelStatus } from "../events.ts";
import { AiryError, fail } from "../errors.ts";
import { createLines } from "../report/lines.ts";
import { loadOrCreateIdentity } from "../tunnel/identity.ts";
import { startTunnel } from "../tunnel/tunnel.ts";
import type { Context } from "../context.ts";
import type { Options } from "./table.ts";

export async function runProxy(options: Options<"proxy">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const target = parseTarget(options.target);
  const edge = parseEdge(options.edge ?? null, "proxy");
  for (const prefix of [...options.path, ...options.hold]) {
    if (!prefix.startsWith("/")) fail("INVALID_ARGUMENT", { command: "proxy", reason: `a path prefix begins with a slash: ${prefix}` });
  }
  if (options.name && options.ephemeral)
    fail("INVALID_ARGUMENT", { command: "proxy", reason: "--name and --ephemeral exclude each other" });
  const slow = lookAtCrypto();
  if (slow) out.warn({ code: "SLOW_CRYPTO", ...slow });
  const identityFile = options.identity
    ? path.resolve(io.cwd, options.identity)
    : path.join(xdg(io.env, "XDG_CONFIG_HOME", ".config"), "identity");
  const identity = await loadOrCreateIdentity(identityFile);
  const stateDir = xdg(io.env, "XDG_STATE_HOME", ".local/state");
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const record = path.join(stateDir, `proxy-${identity.identifier}.json`);

  const journal = createJournal({
    file: path.join(stateDir, `proxy-${identity.identifier}.ndjson`),
    now: io.now,
    secrets: [],
    log: (line) => out.note(line),
  });
  const lines = createLines();
  let announced: string | null = null;
  const onStatus = (tunnel: TunnelStatus) => {
    journal.append({ type: "tunnel", tunnel });
    const event = out.stamp({ type: "tunnel", tunnel });
    out.item(event);
    // Once, unless it changes: a name that is not kept is another one after a reconnect.
    if (tunnel.state === "open" && tunnel.url && tunnel.url !== announced) {
      announced = tunnel.url;
      out.line(tunnel.url);
      if (!out.json) out.note(`${tunnel.url} -> ${options.target}   (${exposure(options.path)}; Ctrl-C stops it)`);
    } else if (!out.json) {
      const line = lines.line(event);
      if (line) out.note(line.trim());
    }
  };
  const tunnel = startTunnel({
    edge,
    hostKey: options.edgeKey
      ? { kind: "known", key: options.edgeKey }
      : { kind: "pin", file: path.join(path.dirname(identityFile), "known_edges") },
    identity: identity.privateKey,
    target,
    paths: options.path,
    hold: options.hold,
    holdSigned: false,
    name: options.name ?? null,
    ephemeral: options.ephemeral,
    onRefused: "close",
    onStatus,
    onRequest: (request) => {
      journal.append({ type: "request", request });
      const event = out.stamp({ type: "request", request });
      out.item(event);
      const line = out.json ? null : lines.line(event);
      if (line) out.note(line.trim());
    },
    log: () => {}, // the states say the same
  });

  const token = randomBytes(24).toString("base64url");
  const stop = new AbortController();
  const control = await startControl({
    port: null,
    token,
    journal,
    state: async () => statusOf(tunnel.status(), options.target, control.port),
    tunnel: () => tunnel,
    stop: () => stop.abort(),
  });
  await writeAtomic(record, `${JSON.stringify({ pid: io.pid, port: control.port, token })}\n`);

  const ended = new Promise<AiryError | null>((resolve) => {
    const quit = () => resolve(null);
    ctx.signal.addEventListener("abort", quit, { once: true });
    stop.signal.addEventListener("abort", quit, { once: true });
    if (ctx.signal.aborted) quit();
    void tunnel.closed.then(resolve);
  });
  const error = await ended;
  await tunnel.close();
  await journal.close();
  await control.close();
  // Who took over has the same record, and it is theirs by now.
  const owner = await readFile(record, "utf8").catch(() => "");
  if (owner.includes(token)) await rm(record, { force: true });
  if (error) throw error;
  out.result(statusOf(tunnel.status(), options.target, null));
}

function statusOf(tunnel: TunnelStatus, target: string, controlPort: number | null): StatusData {
  return {
    state: tunnel.state === "open" ? "running" : tunnel.state === "closed" ? "stopped" : "degraded",
    engine: null,
    edition: "basic",
    sandbox: false,
    platform: { url: target, services: [] },
    tunnel,
    webhooks: [],
    control: { url: controlPort === null ? null : `http://127.0.0.1:${controlPort}` },
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

/** The folder `airy` below an XDG base folder; these are honoured on macOS too. */
function xdg(env: Record<string, string | undefined>, name: string, fallback: string): string {
  const base = env[name];
  return path.join(base && path.isAbsolute(base) ? base : path.join(env.HOME ?? os.homedir(), fallback), "airy");
}
