/** The command line of `airy-proxy` -> what the tunnel is told. */
import path from "node:path";
import { configHome } from "../config/home.ts";
import { fail } from "../errors.ts";
import type { Io } from "../io/io.ts";
import { parseEdge } from "../launch/edge.ts";
import { Gate } from "../tunnel/gate.ts";
import { loadOrCreateIdentity, loadOrMakeIdentity, usersKeys } from "../tunnel/identity.ts";
import type { Route } from "../tunnel/services.ts";
import type { Login, TunnelConfig } from "../tunnel/types.ts";
import type { VerifyConfig } from "../tunnel/verify.ts";
import { parseTargets } from "./targets.ts";

/** As the command line has them. */
interface ProxyOptions {
  target: readonly string[];
  edge: string | undefined;
  edgeKey: string | undefined;
  publicUrl: string | undefined;
  remotePort: number | undefined;
  path: string[];
  hold: string[];
  identity: string | undefined;
  name: string | undefined;
  ephemeral: boolean;
  hostHeader: string | undefined;
  verify: string | undefined;
  secretEnv: readonly string[];
  fail: string | undefined;
  for: string | undefined;
  expire: string | undefined;
}

/** Of the tunnel's configuration everything but who is told what happens. */
type Asked = Omit<TunnelConfig, "onStatus" | "onRequest" | "onFirstContact" | "onService" | "onAnswer" | "log">;

export interface ProxySettings {
  tunnel: Asked & { routes: readonly Route[]; gate: Gate };
  /** Milliseconds after which the tunnel closes by itself; null: never. */
  expireMs: number | null;
  /** Must not be shown. */
  secrets: readonly string[];
}

/** Throws INVALID_ARGUMENT, IDENTITY_UNREADABLE. */
export async function proxySettings(options: ProxyOptions, io: Io): Promise<ProxySettings> {
  const routes = parseTargets(options.target);
  for (const prefix of [...options.path, ...options.hold]) {
    if (!prefix.startsWith("/")) invalid(`a path prefix begins with a slash: ${prefix}`);
  }
  if (options.name && options.ephemeral) invalid("--name and --ephemeral exclude each other");
  const verify = verification(options, io.env);
  const expireMs = options.expire === undefined ? null : duration("--expire", options.expire);
  const edge = parseEdge(options.edge ?? null, "proxy", options);
  if (edge.plain && options.hold.length > 0) invalid("--hold needs an edge; an SSH server of another kind keeps nothing");
  const [identity, ...otherIdentities] = await logins(options, edge.plain !== undefined, io);
  const gate = new Gate({ verify, fail: rehearsal(options) });
  const knownEdges = path.join(configHome(io.env), "known_edges");
  const beside = options.identity && options.identity !== AGENT ? path.dirname(path.resolve(io.cwd, options.identity)) : null;
  return {
    tunnel: {
      edge,
      hostKey: options.edgeKey
        ? { kind: "known", key: options.edgeKey }
        : { kind: "pin", file: beside ? path.join(beside, "known_edges") : knownEdges },
      identity,
      otherIdentities,
      target: routes[0].target,
      routes,
      hostHeader: options.hostHeader ?? null,
      gate,
      paths: options.path,
      hold: options.hold,
      holdSigned: verify !== null,
      name: options.name ?? null,
      ephemeral: options.ephemeral,
      onRefused: "close",
    },
    expireMs,
    secrets: verify?.secrets ?? [],
  };
}

const AGENT = "ssh-agent";

/** For an SSH server that is not an edge also what `ssh` itself would try. */
async function logins(options: ProxyOptions, plain: boolean, io: Io): Promise<[Login, ...Login[]]> {
  const agent = io.env.SSH_AUTH_SOCK;
  if (options.identity === AGENT) {
    return [agent ? { agent } : invalid("--identity ssh-agent: SSH_AUTH_SOCK is not set, so no agent is there")];
  }
  const file = options.identity ? path.resolve(io.cwd, options.identity) : path.join(configHome(io.env), "identity");
  const own = (await (options.ephemeral ? loadOrMakeIdentity : loadOrCreateIdentity)(file)).privateKey;
  if (!plain || options.identity) return [own];
  const [first, ...others] = [...(agent ? [{ agent }] : []), ...(await usersKeys(io.env)), own];
  return first === undefined ? [own] : [first, ...others];
}

function verification(options: ProxyOptions, env: Io["env"]): VerifyConfig | null {
  if (options.verify === undefined) {
    return options.secretEnv.length > 0 ? invalid("--secret-env names the secret for --verify, which is missing") : null;
  }
  const names = options.secretEnv.length > 0 ? options.secretEnv : ["FACEBOOK_APP_SECRET"];
  const secrets = names.map((name) => env[name]?.trim() || invalid(`--verify ${options.verify}: the variable ${name} is not set`));
  return { secrets, sha1: options.verify === "facebook-sha1" };
}

function rehearsal(options: ProxyOptions): { status: number; forMs: number | null } | null {
  if (options.fail === undefined) return options.for === undefined ? null : invalid("--for says how long --fail goes on, which is missing");
  if (!/^[45]\d\d$/.test(options.fail)) return invalid(`--fail is a status from 400 to 599; got "${options.fail}"`);
  return { status: Number(options.fail), forMs: options.for === undefined ? null : duration("--for", options.for) };
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Node's timers count to 2^31 - 1 ms. */
const LONGEST_DAYS = 24;

/** `90s`, `1h30m` -> milliseconds. */
function duration(flag: string, text: string): number {
  const parts = /^(?:\d+(?:ms|s|m|h|d))+$/.test(text) ? [...text.matchAll(/(\d+)(ms|s|m|h|d)/g)] : [];
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit as keyof typeof UNITS], 0);
  if (ms > 0 && ms <= LONGEST_DAYS * UNITS.d) return ms;
  return invalid(`${flag} is a time like 60s, 30m or 8h, at most ${LONGEST_DAYS}d; got "${text}"`);
}

function invalid(reason: string): never {
  return fail("INVALID_ARGUMENT", { command: "proxy", reason });
}
