/** The public side of the tunnel: an SSH server for clients and an HTTP ingress for everybody else. `startEdge` is the one way in. */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { makeProbeKey, startProbe } from "./admin/probe.ts";
import { startAdmin, type RunningAdmin } from "./admin/server.ts";
import { EdgeError } from "./errors.ts";
import { openHold } from "./hold/hold.ts";
import { startIngress } from "./ingress/server.ts";
import { openClaims } from "./names/claims.ts";
import { identifierOf } from "./names/identifier.ts";
import { openAccess, type AccessConfig } from "./ssh/access.ts";
import { loadHostKey } from "./ssh/host-key.ts";
import { Routes } from "./tunnels/routes.ts";
import type { Tunnel } from "./tunnels/tunnel.ts";
import { DEFAULT_SSH_LIMITS, startSshServer } from "./ssh/server.ts";

export { EdgeError };

/** How long a request waits for a tunnel that is between two connections, and for how long after a loss that is worth it. */
const GAP_MS = 5_000;
const RETURN_WITHIN_MS = 60_000;
/** Requests in flight of one tunnel. */
const MAX_IN_FLIGHT = 1_000;
const DRAIN_MS = 30_000;
const SWEEP_MS = 3_000;
/** How long webhooks wait for their tunnel. */
const HOLD_HOURS = 36;

export interface EdgeConfig {
  /** Names are `<identifier>.<domain>`. */
  domain: string;
  /** Port 0 picks a free one. */
  ssh: { host: string; port: number };
  http: { host: string; port: number };
  /** Health and state for the operator; null: none. */
  admin: { host: string; port: number } | null;
  /** Claims, the host key and held webhooks live here. */
  dataDir: string;
  /** Private host key in OpenSSH format; null: one is made in `dataDir` on first start. */
  hostKey: string | null;
  /** Which keys may connect; default: every key. */
  access?: AccessConfig;
  /** Port in the URLs that clients are told; null: the HTTP listener's own. */
  publicPort: number | null;
  log: (line: string) => void;
}

export interface RunningEdge {
  sshPort: number;
  httpPort: number;
  adminPort: number | null;
  /** `ssh-ed25519 AAAA...` */
  hostKey: string;
  /** Stops accepting, lets requests in flight finish (at most `graceMs`, by default 30 s), then closes. */
  close(graceMs?: number): Promise<void>;
}

/** Starts an edge. Throws {@link EdgeError} (EDGE_ADDRESS, EDGE_ACCESS, EDGE_DATA, EDGE_DATA_LOCKED, EDGE_HOST_KEY, HOLD_CORRUPT) and leaves nothing behind then. */
export async function startEdge(config: EdgeConfig): Promise<RunningEdge> {
  const domain = config.domain.toLowerCase();
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 }).catch((error: Error) => {
    throw new EdgeError("EDGE_DATA", error.message);
  });
  let stopping = false;
  const undo: (() => void | Promise<void>)[] = [];
  try {
    const hostKey = await loadHostKey(config.hostKey, config.dataDir);
    const access = openAccess(config.access ?? { authorizedKeys: null, deniedKeys: null }, config.log);
    const probeKey = config.admin ? makeProbeKey() : null;
    const claims = openClaims(config.dataDir);
    undo.push(() => claims.close());
    const routes = new Routes();
    const lostAt = new Map<string, number>();
    const keys = new Map<Tunnel, Buffer>();
    const allowed = (key: Buffer) => access.allows(key) || (probeKey?.blob.equals(key) ?? false);
    const sweep = setInterval(() => {
      for (const [name, at] of lostAt) if (Date.now() - at > RETURN_WITHIN_MS) lostAt.delete(name);
      // A name whose tunnel stays open for months is in use all the time, and nobody else's after a crash.
      for (const { name } of routes.all()) claims.touch(name);
      // A key that was taken off the list loses the tunnels it has, too.
      for (const [tunnel, key] of keys) if (!allowed(key)) tunnel.destroy();
    }, SWEEP_MS);
    sweep.unref();
    undo.push(() => clearInterval(sweep));
    const hold = await openHold({ dataDir: config.dataDir, routes, stopping: () => stopping, log: config.log });
    undo.push(() => hold.close());

    const ingress = await startIngress({
      ...config.http,
      domain,
      routes,
      hold,
      isKnown: (name) => claims.isKnown(name),
      mayReturn: (name) => Date.now() - (lostAt.get(name) ?? 0) < RETURN_WITHIN_MS,
      gapMs: GAP_MS,
      maxInFlight: MAX_IN_FLIGHT,
      log: config.log,
    });
    undo.push(() => ingress.close());
    const publicPort = config.publicPort ?? ingress.port;
    const urlOf = (name: string) => `http://${name}.${domain}${publicPort === 80 ? "" : `:${publicPort}`}`;

    const ssh = await startSshServer({
      ...config.ssh,
      hostKey: hostKey.privateKey,
      limits: DEFAULT_SSH_LIMITS,
      allowed,
      nameFor: async ({ key, name, ephemeral }) => {
        if (stopping) return { refused: "EDGE_STOPPING" };
        // Never written down, so it is forgotten with the connection.
        if (ephemeral) return { name: identifierOf(randomBytes(32)) };
        const claim = await claims.claim(key, name);
        return claim.ok ? { name: claim.name } : { refused: claim.reason };
      },
      urlOf,
      prepare: async (name, hello) => {
        // A name that is forgotten cannot come back for what was kept.
        if (hello.ephemeral) return 0;
        await hold.setRules(name, { prefixes: hello.hold, requireSignature: hello.holdSigned });
        return hello.hold.length > 0 ? HOLD_HOURS : 0;
      },
      onTunnel: (tunnel, key) => {
        keys.set(tunnel, key);
        config.log(`tunnel ${tunnel.name} open (${tunnel.client})`);
        lostAt.delete(tunnel.name);
        routes.attach(tunnel);
        tunnel.tellStatus?.(hold.statusOf(tunnel.name));
      },
      onTunnelClosed: (tunnel, lost) => {
        if (!keys.delete(tunnel)) return; // it had said goodbye before
        config.log(`tunnel ${tunnel.name} ${lost ? "lost" : "closed"}`);
        claims.touch(tunnel.name);
        if (routes.get(tunnel.name) === tunnel && lost) lostAt.set(tunnel.name, Date.now());
        routes.detach(tunnel);
      },
      onCall: async ({ name }, { method }) => {
        if (method === "dead.list") return hold.deadOf(name);
        return method === "dead.replay" ? hold.replay(name) : hold.purge(name);
      },
      log: config.log,
    });
    undo.push(() => ssh.close());

    let admin: RunningAdmin | null = null;
    if (config.admin && probeKey) {
      const probe = startProbe({
        key: probeKey,
        ssh: { host: config.ssh.host, port: ssh.port },
        http: { host: config.http.host, port: ingress.port },
        domain,
        hostKey: hostKey.publicKey,
      });
      undo.push(() => probe.close());
      admin = await startAdmin({ ...config.admin, routes, ingress, ssh, hold, probe, stopping: () => stopping });
      undo.push(() => admin?.close());
    }
    config.log(`edge for *.${domain}: ssh ${config.ssh.host}:${ssh.port}, http ${config.http.host}:${ingress.port}`);

    return {
      sshPort: ssh.port,
      httpPort: ingress.port,
      adminPort: admin?.port ?? null,
      hostKey: hostKey.publicKey,
      close: async (graceMs = DRAIN_MS) => {
        if (stopping) return;
        stopping = true;
        ssh.stopAccepting();
        ingress.stopAccepting();
        // Spread over some seconds, so that a restart does not bring all agents back at the same moment.
        const spreadMs = Math.min(5_000, routes.size * 5);
        for (const tunnel of routes.all()) tunnel.drain("EDGE_STOPPING", Math.round(200 + Math.random() * spreadMs), graceMs);
        const until = Date.now() + graceMs;
        while (Date.now() < until && (ingress.inFlight() > 0 || routes.size > 0)) await new Promise((resolve) => setTimeout(resolve, 20));
        for (const step of undo.toReversed()) await step();
      },
    };
  } catch (error) {
    for (const step of undo.toReversed()) await step();
    throw error;
  }
}
