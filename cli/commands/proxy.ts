/** `airy-proxy 3000`: the tunnel on its own. The URL comes first and alone on stdout, everything else goes to stderr. */
import { lookAtCrypto } from "../checks/crypto.ts";
import type { Context } from "../context.ts";
import type { AiryError } from "../errors.ts";
import type { StatusData, TunnelStatus } from "../events.ts";
import { PLAIN_SERVER_LACKS } from "../launch/edge.ts";
import { createProxyReport } from "../proxy/report.ts";
import { View } from "../proxy/view.ts";
import { proxySettings } from "../proxy/settings.ts";
import { DEFAULT_TARGET } from "../proxy/targets.ts";
import { startTunnel, type RunningTunnel } from "../tunnel/tunnel.ts";
import { urlOf } from "../tunnel/services.ts";
import type { Options } from "./table.ts";

export async function runProxy(options: Options<"proxy">, { io, out, signal }: Context): Promise<void> {
  const { tunnel: config, expireMs, secrets } = await proxySettings(options, io);
  for (const secret of secrets) out.hide(secret);
  const slow = lookAtCrypto();
  if (slow) out.warn({ code: "SLOW_CRYPTO", ...slow });
  if (options.target.length === 0) out.note(`No server is named, so it is ${DEFAULT_TARGET}.`);
  if (config.edge.plain) out.warn({ code: "NOT_AN_EDGE", message: PLAIN_SERVER_LACKS });
  const enough = new AbortController();
  let answered = false;
  const view = viewOn(io, out);
  const report = createProxyReport({ out, config, fail: options.fail ?? null, view });
  const tunnel = startTunnel({
    ...config,
    ...report,
    onStatus: (status) => {
      if (status.state === "open") config.gate.open();
      report.onStatus(status);
    },
    onAnswer: () => (answered = true),
    onRequest: (request) => {
      report.onRequest(request);
      if (options.once && answered) enough.abort();
    },
  });
  const timer = expireMs === null ? null : setTimeout(() => enough.abort(), expireMs);
  const error = await ended(tunnel, [signal, enough.signal]);
  if (timer) clearTimeout(timer);
  view?.end();
  if (enough.signal.aborted && !error) out.note(answered && options.once ? "The request is answered." : "The time is up.");
  await tunnel.close();
  if (error) throw error;
  out.result(statusOf(tunnel.status(), urlOf(config.target)));
}

/** Only where lines can be redrawn, and nobody else reads them. */
function viewOn({ tty, env, stderr }: Context["io"], out: Context["out"]): View | null {
  const plain = out.json || !tty.stdout || !tty.stderr || env.TERM === "dumb" || env.ACCESSIBLE === "1" || Boolean(env.CI);
  if (plain) return null;
  return new View({ write: stderr, columns: () => tty.columns, clean: (text) => out.masked(text).replaceAll(/\p{Cc}/gu, "?") });
}

/** Resolves with why the tunnel ended by itself, null when it is to end. */
function ended(tunnel: RunningTunnel, signals: readonly AbortSignal[]): Promise<AiryError | null> {
  return new Promise((resolve) => {
    const quit = (): void => resolve(null);
    for (const signal of signals) {
      signal.addEventListener("abort", quit, { once: true });
      if (signal.aborted) quit();
    }
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
