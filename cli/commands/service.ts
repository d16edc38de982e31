/** `airy service install|uninstall|status|run`: the workspace as a service of this user, by systemd or launchd. */
import { mkdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findAgent, readRecord } from "../agent/record.ts";
import { parseConfig } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readState } from "../config/state.ts";
import { claimStateDir, openWorkspace, readSelf } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import { readLinkedText, writeAtomic } from "../io/files.ts";
import { run } from "../io/spawn.ts";
import { runDown } from "./down.ts";
import { launchdPlist, systemdUnit, type ServiceSpec } from "./service-unit.ts";
import type { Options } from "./table.ts";
import { runUp } from "./up.ts";

type ServiceOptions = Options<"service">;

const NO_SERVICE = "This workspace is no service.";
const LOOK_MS = 2000;
const MANAGER_MS = 30_000;
const PASSED_ON = [
  "PATH",
  "XDG_STATE_HOME",
  "XDG_CONFIG_HOME",
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "HTTPS_PROXY",
  "NO_PROXY",
  "NODE_EXTRA_CA_CERTS",
];

/** Throws SERVICE_MANAGER, and with `run` what airy up and airy down throw. */
export async function runService(options: ServiceOptions, ctx: Context): Promise<void> {
  const what = options.what ?? "status";
  if (what === "run") return stay(options, ctx);
  const paths = await openWorkspace(ctx.io, options.workspace);
  if (what === "install") return install(options, ctx, paths);
  const self = await readSelf(paths.root);
  if (!self) return ctx.out.result({ installed: false, file: null, active: "no" }, { text: NO_SERVICE, hint: "airy service install" });
  const manager = managerOf(ctx, self.name);
  if (what === "status") {
    const installed = (await readFile(manager.file, "utf8").catch(() => null)) !== null;
    const active = installed ? await manager.active() : "no";
    const text = installed ? `${manager.file}: ${active}` : NO_SERVICE;
    return ctx.out.result({ installed, file: manager.file, active }, { text, hint: installed ? "" : "airy service install" });
  }
  await manager.remove();
  await rm(manager.file, { force: true });
  await manager.forget();
  ctx.out.result({ installed: false, file: manager.file }, { text: `Removed ${manager.file}; messages are kept.`, hint: "start: airy up" });
}

async function install(options: ServiceOptions, ctx: Context, paths: WorkspacePaths): Promise<void> {
  const { io, out } = ctx;
  await mkdir(paths.root, { recursive: true });
  const { self } = await claimStateDir(paths, io);
  const { sandbox } = await readState(paths);
  const manager = managerOf(ctx, self.name);
  const program = path.resolve(path.dirname(io.script), "../airy");
  const env = Object.fromEntries(PASSED_ON.flatMap((name) => (io.env[name] ? [[name, io.env[name]]] : [])));
  const spec = { name: self.name, workspace: paths.root, program, sandbox: options.sandbox || sandbox === true, env };
  await warnOfSecrets(paths, spec, ctx);
  await mkdir(path.dirname(manager.file), { recursive: true });
  const before = await readFile(manager.file, "utf8").catch(() => null);
  await writeAtomic(manager.file, manager.text(spec));
  await manager.add().catch(async (error: unknown) => {
    // Nothing stays that nobody has started.
    if (before === null) await rm(manager.file, { force: true });
    throw error;
  });
  const lines = [`Wrote ${manager.file}, and started it: it comes back after a crash, and after a reboot.`, ...(await manager.notes())];
  out.result(
    { installed: true, file: manager.file },
    { text: lines.join("\n"), hint: "look: airy service status   stop for now: airy down" },
  );
}

/** A service has no environment of a shell. */
async function warnOfSecrets(paths: WorkspacePaths, { sandbox }: ServiceSpec, { io, out }: Context): Promise<void> {
  if (sandbox) return;
  const written = parseConfig(paths.config, (await readLinkedText(paths.config)) ?? "").components?.sources?.facebook ?? {};
  for (const [key, variable] of [
    ["appId", "FACEBOOK_APP_ID"],
    ["appSecret", "FACEBOOK_APP_SECRET"],
  ] as const) {
    if (!io.env[variable] || written[key]) continue;
    const message = `${variable} is in this environment alone, which the service does not have.`;
    out.warn({ code: "ENVIRONMENT_ONLY", message, action: `airy config set facebook.${key}` });
  }
}

/** In the foreground: brings everything up, and ends when the background process has: with 0 after `airy down`, with 13 after a crash. */
async function stay(options: ServiceOptions, ctx: Context): Promise<void> {
  const { signal } = ctx;
  await runUp({ ...upDefaults, sandbox: options.sandbox, workspace: options.workspace }, ctx);
  const paths = await openWorkspace(ctx.io, options.workspace);
  while (!signal.aborted && (await findAgent(paths))) await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  if (signal.aborted) {
    return runDown({ json: false, workspace: paths.root, adopt: false, restoreWebhook: false, verifyToken: undefined }, ctx);
  }
  // One that ends in order takes its record away; so does airy down. A later start writes its own.
  if (await readRecord(paths)) fail("AGENT_EXITED", { service: "agent", reason: "It was killed, or crashed." });
}

const upDefaults: Options<"up"> = {
  yes: true,
  json: false,
  ui: "lines",
  adopt: false,
  sandbox: false,
  replaceWebhook: false,
  noHold: false,
  noInspect: false,
  dryRun: false,
  noInput: true,
  detachWhenReady: false,
  edge: undefined,
  edgeKey: undefined,
  edgeKeys: undefined,
  publicUrl: undefined,
  remotePort: undefined,
  engine: undefined,
  edition: undefined,
  port: undefined,
  inboxUrl: undefined,
  timeout: undefined,
  workspace: undefined,
};

interface Manager {
  file: string;
  text: (spec: ServiceSpec) => string;
  add: () => Promise<void>;
  remove: () => Promise<void>;
  /** After the file is gone. */
  forget: () => Promise<void>;
  active: () => Promise<string>;
  notes: () => Promise<string[]>;
}

function managerOf({ io }: Context, name: string): Manager {
  const home = io.env.HOME || os.homedir();
  return io.os === "darwin"
    ? launchd(name, home, io.uid ?? 0)
    : systemd(name, path.join(io.env.XDG_CONFIG_HOME || path.join(home, ".config"), "systemd/user"));
}

/** Throws SERVICE_MANAGER. */
async function manage(program: string, args: string[]): Promise<string> {
  const result = await run(program, args, { timeoutMs: MANAGER_MS });
  if (result.exitCode === 0) return result.stdout.trim();
  const said = result.stderr.trim().split("\n").at(-1) ?? "";
  return fail("SERVICE_MANAGER", {
    command: `${program} ${args.join(" ")}`,
    reason: said || `It ended with ${result.exitCode ?? "nothing"}.`,
  });
}

function systemd(name: string, dir: string): Manager {
  const unit = `airy-${name}.service`;
  const user = (...args: string[]): Promise<string> => manage("systemctl", ["--user", ...args]);
  return {
    file: path.join(dir, unit),
    text: systemdUnit,
    add: async () => {
      await user("daemon-reload");
      await user("enable", "--now", "--no-block", unit);
    },
    remove: async () => void (await user("disable", "--now", unit).catch(() => "")),
    forget: async () => void (await user("daemon-reload").catch(() => "")),
    active: async () => (await run("systemctl", ["--user", "is-active", unit], { timeoutMs: MANAGER_MS })).stdout.trim() || "unknown",
    // A user's services end at logout, and start at login, unless the user lingers.
    notes: async () => {
      const { exitCode } = await run("loginctl", ["enable-linger"], { timeoutMs: MANAGER_MS });
      return exitCode === 0 ? [] : ["It ends when you log out, until: sudo loginctl enable-linger $USER"];
    },
  };
}

function launchd(name: string, home: string, uid: number): Manager {
  const domain = `gui/${uid}`;
  const file = path.join(home, "Library/LaunchAgents", `co.airy.${name}.plist`);
  const service = `${domain}/co.airy.${name}`;
  return {
    file,
    text: launchdPlist,
    add: async () => {
      await run("launchctl", ["bootout", service], { timeoutMs: MANAGER_MS });
      await manage("launchctl", ["bootstrap", domain, file]);
    },
    remove: async () => void (await run("launchctl", ["bootout", service], { timeoutMs: MANAGER_MS })),
    forget: async () => {},
    active: async () => {
      const { stdout } = await run("launchctl", ["print", service], { timeoutMs: MANAGER_MS });
      return /^\s*state = (\w+)/m.exec(stdout)?.[1] ?? "not loaded";
    },
    notes: async () => ["It starts when you log in."],
  };
}
