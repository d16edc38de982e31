/**
 * `airy edge`: the public side of tunnels as a process of its own. Logs to stderr; SIGTERM drains, a second signal ends it at once, SIGHUP
 * reads the lists of keys, the limits and the certificate again.
 */
import { stringify } from "yaml";
import {
  checkConfig,
  checkData,
  configOf,
  EdgeError,
  startEdge,
  type ConfigCheck,
  type EdgeConfig,
  type Settings,
} from "../../edge/index.ts";
import { lookAtCrypto } from "../checks/crypto.ts";
import { asAiryError, fail } from "../errors.ts";
import type { Context } from "../context.ts";
import { runNames } from "./edge-names.ts";
import { edgeFolder, edgeSettings } from "./edge-settings.ts";
import type { Options } from "./table.ts";

export async function runEdge(options: Options<"edge">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  if (options.checkData) return checkFolder(edgeFolder(options, io), ctx);
  if (options.what === "names") return runNames(options, ctx);
  const settings = edgeSettings(options, io);
  const log = await openLog(settings.log ?? (io.tty.stderr ? "text" : "json"), ctx);
  if (options.check) return check(settings, log, ctx);
  const slow = lookAtCrypto();
  if (slow) out.warn({ code: "SLOW_CRYPTO", ...slow });
  const edge = await startEdge({ ...configOf(settings), log }).catch(failed);
  const data = {
    sshPort: edge.sshPort,
    httpPort: edge.httpPort,
    httpsPort: edge.httpsPort,
    adminPort: edge.adminPort,
    hostKey: edge.hostKey,
  };
  out.item({ type: "listening", ...data });
  ctx.onHangup(() => {
    log("SIGHUP: reading the lists of keys, the limits and the certificate again");
    const { limits, hosts } = changed(options, ctx, log) ?? {};
    edge.reload(limits, hosts);
  });
  await new Promise<void>((resolve) => {
    if (ctx.signal.aborted) resolve();
    else ctx.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  log("stopping: requests in flight have 30 s to finish; a second signal ends at once");
  await edge.close();
  out.result(data);
}

async function openLog(format: "json" | "text", { io, out }: Context): Promise<EdgeConfig["log"]> {
  if (format === "text") return (line) => out.note(`${io.now().toISOString()} ${line}`);
  const { default: pino } = await import("pino");
  const formatters = { level: (label: string) => ({ level: label }) };
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters }, { write: (text) => out.note(text.trimEnd()) });
  return (line, level) => (level === "warn" ? logger.warn(line) : logger.info(line));
}

/** `--check`: nothing is opened or made. What is printed can be used as a file of settings. */
function check(settings: Settings, log: EdgeConfig["log"], { out }: Context): void {
  try {
    const found = checkConfig({ ...configOf(settings), log });
    out.result({ config: settings, ...found }, { text: `${stringify(settings)}${remarks(found)}` });
  } catch (error) {
    failed(error);
  }
}

function remarks({ certificate, keys }: ConfigCheck): string {
  const count = (many: number | null, none: string) => (many === null ? none : String(many));
  return [
    `# keys that may connect: ${count(keys.authorized, "every key")}; keys that may not: ${count(keys.denied, "none")}`,
    certificate === null ? "# no certificate" : `# the certificate is good until ${certificate}`,
  ].join("\n");
}

/** Of a file that can no longer be used nothing is taken. */
function changed(options: Options<"edge">, { io }: Context, log: EdgeConfig["log"]): Pick<Settings, "limits" | "hosts"> | undefined {
  try {
    return edgeSettings(options, io);
  } catch (error) {
    log(`the limits stay as they are: ${asAiryError(error).message}`, "warn");
    return undefined;
  }
}

function failed(error: unknown): never {
  if (error instanceof EdgeError) return fail("EDGE_START", { code: error.code, reason: error.message });
  throw error;
}

/** `--check-data`: exit code 31 when something is damaged, as `airy status` says that something is degraded. */
async function checkFolder(dataDir: string, { out }: Context): Promise<void> {
  const result = await checkData(dataDir).catch(failed);
  const text = result.damaged.length === 0 ? "Nothing is damaged." : result.damaged.join("\n");
  out.result(result, { text, exit: result.damaged.length === 0 ? 0 : 31 });
}
