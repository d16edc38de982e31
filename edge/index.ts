/** The public side of the tunnel: an SSH server for clients and an HTTP ingress for everybody else. `startEdge` is the one way in. */
import { makeProbeKey, startProbe, type ProbeKey } from "./admin/probe.ts";
import { orderNames, startControl, type NamesOrder } from "./admin/control.ts";
import { startAdmin, type RunningAdmin } from "./admin/server.ts";
import { checkConfig, checkData, type ConfigCheck } from "./check.ts";
import { parseDomain, type EdgeConfig } from "./config.ts";
import { EdgeError } from "./errors.ts";
import { openHold, type Hold } from "./hold/hold.ts";
import { changedLimits, DEFAULT_LIMITS, Refusals, type Limits } from "./limits.ts";
import { startIngress, type RunningIngress } from "./ingress/server.ts";
import { openClaims } from "./names/claims.ts";
import type { Names } from "./names/names.ts";
import { nameInAddress, Naming } from "./naming.ts";
import { Door } from "./peers/door.ts";
import { Trust } from "./peers/trust.ts";
import { configOf, readSettings, SETTING_NAMES, type Settings, type SettingsLayer } from "./settings.ts";
import { openAccess, type Access } from "./ssh/access.ts";
import { loadHostKey, type HostKey } from "./ssh/host-key.ts";
import { startSshServer, type RunningSshServer } from "./ssh/server.ts";
import { makeWritableFolder } from "./store/folder.ts";
import { lockFolder } from "./store/lock.ts";
import { LocalPresence } from "./tunnels/presence.ts";
import { WAIT_MS } from "./tls/acme/certificates.ts";
import type { Certificates } from "./tls/certificate.ts";
import { openCertificates } from "./tls/open.ts";
import { startFront, type RunningFront } from "./tls/front.ts";
import { TunnelRegistry, type Client } from "./tunnels/registry.ts";
import type { Tunnel } from "./tunnels/tunnel.ts";
import { Urls } from "./urls.ts";
import type { Call, Hello } from "./wire/messages.ts";

export { checkConfig, checkData, configOf, EdgeError, orderNames, readSettings, SETTING_NAMES };
export type { ConfigCheck, EdgeConfig, NamesOrder, Settings, SettingsLayer };

/** How long a request waits for a tunnel that is between two connections. */
const GAP_MS = 5_000;
const DRAIN_MS = 30_000;
const FORGET_EVERY_MS = 60 * 60_000;
/** How long webhooks wait for their tunnel. */
const HOLD_HOURS = 36;

export interface RunningEdge {
  sshPort: number;
  httpPort: number;
  httpsPort: number | null;
  adminPort: number | null;
  /** `ssh-ed25519 AAAA...` */
  hostKey: string;
  /** Reads lists of keys and certificates again, and takes new limits and hosts; tunnels that may stay are not touched. */
  reload(limits?: Limits, hosts?: EdgeConfig["hosts"]): void;
  /** Stops accepting, lets requests in flight finish (at most `graceMs`, by default 30 s), then closes. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Starts an edge. Throws {@link EdgeError} (EDGE_DOMAIN, EDGE_ADDRESS, EDGE_TLS, EDGE_ACCESS, EDGE_DATA, EDGE_DATA_LOCKED, EDGE_HOST_KEY,
 * HOLD_CORRUPT) and leaves nothing behind then.
 */
export async function startEdge(config: EdgeConfig): Promise<RunningEdge> {
  const edge = new Edge(config);
  try {
    await edge.start();
    return edge;
  } catch (error) {
    await edge.undo();
    throw error;
  }
}

class Edge implements RunningEdge {
  readonly #config: EdgeConfig;
  readonly #domain: string;
  readonly #presence = new LocalPresence();
  readonly #probeKey: ProbeKey | null;
  /** What has been started, each with how it is ended. */
  readonly #undo: (() => void | Promise<void>)[] = [];
  #hostKey!: HostKey;
  #access!: Access;
  #names!: Names;
  #naming!: Naming;
  #hold!: Hold;
  #registry!: TunnelRegistry;
  #ingress!: RunningIngress;
  #ssh!: RunningSshServer;
  #certificates: Certificates | null = null;
  #front: RunningFront | null = null;
  #admin: RunningAdmin | null = null;
  readonly #refusals = new Refusals();
  readonly #trust: Trust;
  readonly #urls: Urls;
  readonly #door: Door;
  #limits: Limits;
  #hosts: ReadonlyMap<string, string>;
  #stopping = false;

  constructor(config: EdgeConfig) {
    this.#config = config;
    this.#limits = config.limits ?? DEFAULT_LIMITS;
    this.#hosts = new Map(Object.entries(config.hosts ?? {}));
    this.#trust = new Trust(config.trust ?? []);
    this.#door = new Door(() => this.#limits, this.#trust, this.#refusals.add);
    this.#domain = parseDomain(config.domain);
    this.#urls = new Urls({
      domain: this.#domain,
      publicPort: config.publicPort,
      httpPort: () => this.httpPort,
      httpsPort: () => this.httpsPort,
      certificates: () => this.#certificates,
    });
    this.#probeKey = config.admin ? makeProbeKey() : null;
  }

  get sshPort(): number {
    return this.#ssh.port;
  }

  get httpPort(): number {
    return this.#ingress.port;
  }

  get httpsPort(): number | null {
    return this.#front?.port ?? null;
  }

  get adminPort(): number | null {
    return this.#admin?.port ?? null;
  }

  get hostKey(): string {
    return this.#hostKey.publicKey;
  }

  /** What was started last goes first. */
  async undo(): Promise<void> {
    for (const step of this.#undo.splice(0).toReversed()) await step();
  }

  async start(): Promise<void> {
    const { log, ssh, http, https } = this.#config;
    await this.#openData();
    this.#registry = new TunnelRegistry({
      presence: this.#presence,
      allowed: (client) => this.#allows(client),
      touch: (name) => this.#names.touch(name),
      onOpen: (tunnel) => void this.#hold.statusOf(tunnel.name).then((status) => tunnel.tellStatus?.(status)),
      log,
    });
    this.#undo.push(() => this.#registry.close());
    await this.#startIngress();
    await this.#startFront();
    await this.#startSsh();
    await this.#startAdmin();
    const control = await startControl(this.#config.dataDir, this.#names, (name) => this.#presence.get(name)?.destroy());
    this.#undo.push(() => control.close());
    const secure = https && this.#front ? `, https and ssh ${https.host}:${this.#front.port}` : "";
    log(`edge for *.${this.#domain}: ssh ${ssh.host}:${this.sshPort}, http ${http.host}:${this.httpPort}${secure}`);
  }

  reload(limits: Limits = this.#limits, hosts?: EdgeConfig["hosts"]): void {
    for (const change of changedLimits(this.#limits, limits)) this.#config.log(change);
    this.#limits = limits;
    if (hosts) this.#hosts = new Map(Object.entries(hosts));
    this.#access.reload();
    this.#certificates?.reload();
  }

  async close(graceMs = DRAIN_MS): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#ssh.stopAccepting();
    this.#front?.stopAccepting();
    this.#ingress.stopAccepting();
    // Spread over some seconds, so that a restart does not bring all agents back at the same moment.
    const spreadMs = Math.min(5_000, this.#presence.size * 5);
    for (const tunnel of this.#presence.all()) tunnel.drain("EDGE_STOPPING", Math.round(200 + Math.random() * spreadMs), graceMs);
    const until = Date.now() + graceMs;
    while (Date.now() < until && (this.#ingress.inFlight() > 0 || this.#presence.size > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.undo();
  }

  // ------------------------------------------------------------------ the parts

  async #openData(): Promise<void> {
    const { dataDir, hostKey, access, log } = this.#config;
    makeWritableFolder(dataDir);
    const lock = await lockFolder(dataDir);
    this.#undo.push(() => lock.release());
    this.#hostKey = await loadHostKey(hostKey, dataDir);
    this.#access = openAccess(access ?? { authorizedKeys: null, deniedKeys: null }, log);
    this.#names = openClaims(dataDir, undefined, (name) => this.#hold.purge(name));
    this.#undo.push(() => this.#names.close());
    this.#naming = new Naming({
      names: this.#names,
      limits: () => this.#limits,
      onRefused: this.#refusals.add,
      // So that the first URL that is told is https already.
      prepare: async (name) => void (await this.#certificates?.ready(`${name}.${this.#domain}`, WAIT_MS)),
    });
    this.#hold = await openHold({ dataDir, presence: this.#presence, stopping: () => this.#stopping, log });
    this.#undo.push(() => this.#hold.close());
    const forgetting = setInterval(() => void this.#forget(), FORGET_EVERY_MS);
    forgetting.unref();
    this.#undo.push(() => clearInterval(forgetting));
    await this.#forget();
  }

  /** Keys cost nothing, and every login claims a name: what nobody uses goes. */
  async #forget(): Promise<void> {
    const { log } = this.#config;
    try {
      const holding = await this.#hold.names();
      const forgotten = await this.#names.forgetUnused((name) => holding.has(name) || this.#presence.get(name) !== undefined);
      if (forgotten.length > 0)
        log(`${forgotten.length} names forgotten that nobody has used for 90 days: ${forgotten.slice(0, 20).join(" ")}`);
    } catch (error) {
      log(`unused names could not be forgotten: ${(error as Error).message}`);
    }
  }

  async #startIngress(): Promise<void> {
    this.#ingress = await startIngress({
      ...this.#config.http,
      domain: this.#domain,
      nameOfHost: (host) => this.#hosts.get(host) ?? null,
      presence: this.#presence,
      names: this.#names,
      hold: this.#hold,
      gapMs: GAP_MS,
      door: this.#door,
      trust: this.#trust,
      limits: () => this.#limits,
      refusals: this.#refusals,
      secureUrlOf: (host) => (this.#config.redirect ? this.#urls.secure(host) : null),
      challengeAnswer: (host, target) => this.#certificates?.challengeAnswer(host, target) ?? null,
      log: this.#config.log,
    });
    this.#undo.push(() => this.#ingress.close());
  }

  async #startFront(): Promise<void> {
    const { https, tls, dataDir, log } = this.#config;
    if (!https || !tls || tls.mode === "off") return;
    this.#certificates = openCertificates(tls, {
      domain: this.#domain,
      dataDir,
      isClaimed: (name) => this.#names.isKnown(name),
      nameOfHost: (host) => this.#hosts.get(host) ?? null,
      limits: () => this.#limits,
      onRefused: this.#refusals.add,
      onFirst: (covered) => this.#tellSecureUrls(covered),
      log,
    });
    this.#undo.push(() => this.#certificates?.close());
    const front = await startFront({
      ...https,
      certificates: this.#certificates,
      trust: this.#trust,
      enter: (socket) => this.#door.enter(socket),
      onSecure: (socket) => this.#ingress.accept(socket),
      onSsh: (socket) => (this.#ssh ? this.#ssh.accept(socket) : socket.destroy()),
      log,
    });
    this.#front = front;
    this.#undo.push(() => front.close());
    this.#certificates.start();
  }

  /** Clients that were told an http URL come back at once, and are told the other one. */
  #tellSecureUrls(covered: (host: string) => boolean): void {
    for (const tunnel of this.#presence.all()) {
      if (tunnel.kind === "agent" && covered(`${tunnel.name}.${this.#domain}`)) tunnel.drain("EDGE_STOPPING", 100, DRAIN_MS);
    }
  }

  async #startSsh(): Promise<void> {
    this.#ssh = await startSshServer({
      ...this.#config.ssh,
      hostKey: this.#hostKey.privateKey,
      limits: () => this.#limits,
      trust: this.#trust,
      onRefused: this.#refusals.add,
      allowed: (client) => this.#allows(client),
      nameFor: async (request) => (this.#stopping ? { refused: "EDGE_STOPPING" } : this.#naming.nameFor(request)),
      urlOf: (name) => this.#urls.of(name),
      nameAsked: (address) => nameInAddress(address, this.#domain),
      urlOfKey: (key) => this.#urlOfKey(key),
      prepare: (name, hello) => this.#prepare(name, hello),
      announce: (tunnel) => this.#presence.announce(tunnel),
      onTunnel: (tunnel, client) => this.#registry.opened(tunnel, client),
      onTunnelClosed: (tunnel, lost) => this.#registry.closed(tunnel, lost),
      onCall: (tunnel, call) => this.#call(tunnel, call),
      log: this.#config.log,
    });
    this.#undo.push(() => this.#ssh.close());
  }

  async #startAdmin(): Promise<void> {
    const { admin, ssh, http } = this.#config;
    if (!admin || !this.#probeKey) return;
    const probe = startProbe({
      key: this.#probeKey,
      ssh: { host: ssh.host, port: this.sshPort },
      http: { host: http.host, port: this.httpPort },
      domain: this.#domain,
      hostKey: this.#hostKey.publicKey,
    });
    this.#undo.push(() => probe.close());
    const running = await startAdmin({
      ...admin,
      presence: this.#presence,
      ingress: this.#ingress,
      ssh: this.#ssh,
      front: this.#front,
      certificates: this.#certificates,
      refusals: this.#refusals,
      hold: this.#hold,
      probe,
      stopping: () => this.#stopping,
    });
    this.#admin = running;
    this.#undo.push(() => running.close());
  }

  // ------------------------------------------------------------------ what clients ask

  #allows(client: Client): boolean {
    return this.#access.allows(client) || (this.#probeKey?.blob.equals(client.key) ?? false);
  }

  #urlOfKey(key: Buffer): string | null {
    const name = this.#names.nameOf(key);
    if (name === null) return null;
    this.#presence.expect(name);
    return this.#urls.of(name);
  }

  async #prepare(name: string, hello: Hello): Promise<number> {
    // A name that is forgotten cannot come back for what was kept.
    if (hello.ephemeral) return 0;
    await this.#hold.setRules(name, { prefixes: hello.hold, requireSignature: hello.holdSigned });
    return hello.hold.length > 0 ? HOLD_HOURS : 0;
  }

  async #call({ name }: Tunnel, { method }: Call): Promise<unknown> {
    if (method === "dead.list") return this.#hold.deadOf(name);
    return method === "dead.replay" ? this.#hold.replay(name) : this.#hold.purge(name);
  }
}
