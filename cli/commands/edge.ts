/**
 * `airy edge`: the public side of tunnels as a process of its own. Logs to stderr; SIGTERM drains, a second signal ends it at once, SIGHUP reads
 * the lists of keys and the certificate again.
 */
import path from "node:path";
import { checkCertificate, checkData, EdgeError, startEdge, type EdgeConfig } from "../../edge/index.ts";
import { lookAtCrypto } from "../checks/crypto.ts";
import { fail } from "../errors.ts";
import type { Context } from "../context.ts";
import { envName } from "./command.ts";
import { commands, type Options } from "./table.ts";

export async function runEdge(options: Options<"edge">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const dataDir = path.resolve(io.cwd, options.data ?? "airy-edge");
  if (options.checkData) return check(dataDir, ctx);
  if (!options.domain) return fail("INVALID_ARGUMENT", { command: "edge", reason: "--domain is missing: names are <identifier>.DOMAIN" });
  refuseEmptyVariables(io.env);
  const log = (line: string) => out.note(`${io.now().toISOString()} ${line}`);
  const config: EdgeConfig = { ...configOf(options, options.domain, io.cwd, dataDir), log };
  if (options.check) {
    checkConfig(config, ctx);
    return;
  }
  const slow = lookAtCrypto();
  if (slow) out.warn({ code: "SLOW_CRYPTO", ...slow });
  const edge = await startEdge(config).catch(failed);
  const data = {
    sshPort: edge.sshPort,
    httpPort: edge.httpPort,
    httpsPort: edge.httpsPort,
    adminPort: edge.adminPort,
    hostKey: edge.hostKey,
  };
  out.item({ type: "listening", ...data });
  ctx.onHangup(() => {
    log("SIGHUP: reading the lists of keys and the certificate again");
    edge.reload();
  });
  await new Promise<void>((resolve) => {
    if (ctx.signal.aborted) resolve();
    else ctx.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  out.note("stopping: requests in flight have 30 s to finish; a second signal ends at once");
  await edge.close();
  out.result(data);
}

function configOf(options: Options<"edge">, domain: string, cwd: string, dataDir: string): Omit<EdgeConfig, "log"> {
  const file = (given: string | undefined) => (given ? path.resolve(cwd, given) : null);
  const http = parseListen(options.http ?? "127.0.0.1:8080", "--http");
  const tls = tlsOf(options, file(options.tlsCert), file(options.tlsKey));
  return {
    domain,
    ssh: parseListen(options.ssh ?? "127.0.0.1:2222", "--ssh"),
    http,
    https: tls.mode === "off" ? null : options.https ? parseListen(options.https, "--https") : { host: http.host, port: 8443 },
    tls,
    redirect: options.redirect,
    admin: options.admin ? parseListen(options.admin, "--admin") : null,
    dataDir,
    hostKey: null,
    access: { authorizedKeys: file(options.authorizedKeys), deniedKeys: file(options.deniedKeys) },
    publicPort: options.publicPort ?? null,
  };
}

/** What belongs to TLS means nothing without it, and half of it would be an edge without https that looks as if it had it. */
function tlsOf(options: Options<"edge">, cert: string | null, key: string | null): NonNullable<EdgeConfig["tls"]> {
  const wrong = (reason: string): never => fail("INVALID_ARGUMENT", { command: "edge", reason });
  if (options.tls === "files") return cert && key ? { mode: "files", cert, key } : wrong("--tls files needs --tls-cert and --tls-key");
  if (cert || key || options.https || options.redirect) wrong("--https, --tls-cert, --tls-key and --redirect need --tls files");
  return { mode: "off" };
}

/** `--check`: nothing is opened or made. */
function checkConfig({ log, ...config }: EdgeConfig, { out }: Context): void {
  try {
    const certificate = checkCertificate({ ...config, log });
    out.result({ config, certificate }, { text: JSON.stringify({ ...config, certificate }, null, 2) });
  } catch (error) {
    failed(error);
  }
}

function failed(error: unknown): never {
  if (error instanceof EdgeError) return fail("EDGE_START", { code: error.code, reason: error.message });
  throw error;
}

/** `--check-data`: exit code 31 when something is damaged, as `airy status` says that something is degraded. */
async function check(dataDir: string, { out }: Context): Promise<void> {
  const result = await checkData(dataDir).catch(failed);
  const text = result.damaged.length === 0 ? "Nothing is damaged." : result.damaged.join("\n");
  out.result(result, { text, exit: result.damaged.length === 0 ? 0 : 31 });
}

/**
 * Elsewhere an empty variable means that there is none. Here it would admit every key (`AIRY_AUTHORIZED_KEYS=$KEYS`, and KEYS is not set), or
 * make a new data folder without the names that were claimed.
 */
function refuseEmptyVariables(env: Context["io"]["env"]): void {
  for (const option of commands.edge.options) {
    const name = envName(option);
    if (env[name] === "") fail("INVALID_ARGUMENT", { command: "edge", reason: `${name} is set but empty. Give it a value or unset it` });
  }
}

/** `[host:]port`, `:port` meaning every address. */
function parseListen(text: string, flag: string): { host: string; port: number } {
  const match = /^(?:(\[[0-9a-f:]+\]|[A-Za-z0-9.-]*):)?([0-9]{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) return fail("INVALID_ARGUMENT", { command: "edge", reason: `${flag} ${text} is not [host:]port` });
  const host = match[1];
  if (host === undefined) return { host: "127.0.0.1", port };
  return { host: host === "" ? "0.0.0.0" : host.replace(/^\[|\]$/g, ""), port };
}
