/** What was asked for, and what the workspace remembers -> what a start comes to. Deciding reads only; `provide` makes what is missing. */
import type { AgentRecord } from "../agent/record.ts";
import type { AgentSettings } from "../agent/settings.ts";
import { PUBLIC_URL } from "../config/core.ts";
import { facebookApp, type Config, type Edition } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { loadOrCreateSecrets, readSecrets, readState, type Ports, type Secrets, type State } from "../config/state.ts";
import type { Io } from "../io/io.ts";
import { wantsAirySignature } from "../platform/compose/core/images.ts";
import { estimatedMemory } from "../platform/compose/core/profiles.ts";
import type { CoreSpec, Platform, PlatformSpec, Usable } from "../platform/platform.ts";
import { readText } from "../io/files.ts";
import { fail } from "../errors.ts";
import { loadOrCreateIdentity, type Identity } from "../tunnel/identity.ts";
import type { EdgeAddress } from "../tunnel/types.ts";
import { chooseEdge, parseEdge, PLAIN_SERVER_LACKS, readAdmitted, rememberEdge } from "./edge.ts";
import type { Emit } from "../events.ts";
import { inboxOrigin } from "./inbox.ts";
import { look } from "./look.ts";
import { choosePorts } from "./ports.ts";
import { expectedUrl, SANDBOX_DOMAIN } from "./public-url.ts";

/** The part of `airy up`'s options that decides what runs. */
export interface Asked {
  sandbox: boolean;
  edge: string | undefined;
  edgeKey: string | undefined;
  publicUrl: string | undefined;
  remotePort: number | undefined;
  edgeKeys: string | undefined;
  engine: string | undefined;
  edition: string | undefined;
  port: number | undefined;
  inboxUrl: string | undefined;
  replaceWebhook: boolean;
  adopt: boolean;
  noHold: boolean;
  noInspect: boolean;
}

/** What a start comes to, before anything was changed. */
export interface Decision {
  platform: Platform;
  /** What the engine says of itself; null where it was not asked, because the agent process runs. */
  usable: Usable | null;
  edition: Edition;
  /** Of Airy Core; null with the basic edition. */
  core: CoreSpec | null;
  sandbox: boolean;
  /** Whether the edge is one on this machine. */
  localEdge: boolean;
  app: ReturnType<typeof facebookApp>;
  /** Where the tunnel goes. */
  edge: EdgeAddress;
  edgeKey: string | null;
  /** What is to be remembered of it while this runs. */
  edgeAsked: State["edge"];
  /** Public keys that the sandbox's edge admits beside the workspace's own, one a line. */
  admitted: string;
  ports: Ports;
  /** Where something forwards the inbox page; null where nothing does. */
  inboxUrl: string | null;
  /** What the workspace remembered. */
  stored: State;
  hold: boolean;
  inspect: boolean;
  replaceWebhook: boolean;
  graphUrl: string;
  graphVersion: string | undefined;
  api: Config["api"];
}

/** The secrets that a start needs, the host key of an edge of its own among them. */
export interface Provisions {
  secrets: Secrets;
  /** Of the workspace itself. */
  identity: Identity;
  ownEdge: Identity | null;
}

/** In place of an address: an edge on this machine, without the stand-in that a sandbox has. */
const LOCAL_EDGE = "local";

export interface PrepareInput {
  asked: Asked;
  config: Config;
  paths: WorkspacePaths;
  /** The living agent process. */
  agent: AgentRecord | null;
  /** Ports that looked free and were not. */
  lost: ReadonlySet<number>;
  io: Io;
  emit: Emit;
}

/** Reads only. Throws INVALID_ARGUMENT, SECRET_MISSING, MODE_CONFLICT, ENGINE_CONFLICT, PORT_TAKEN, and why an engine cannot be used. */
export async function decide({ asked, config, paths, agent, lost, io, emit }: PrepareInput): Promise<Decision> {
  if (asked.sandbox && asked.edge !== undefined) {
    fail("INVALID_ARGUMENT", { command: "up", reason: "--sandbox brings an edge of its own; --edge names another one." });
  }
  const edgeKey = asked.edgeKey ?? config.edgeKey;
  if (edgeKey !== undefined && !/^ssh-ed25519 [A-Za-z0-9+/=]+( .*)?$/.test(edgeKey)) {
    fail("INVALID_ARGUMENT", { command: "up", reason: '--edge-key (edgeKey in airy.yaml) is a public key line: "ssh-ed25519 AAAA...".' });
  }
  if (asked.edge !== undefined && asked.edge !== LOCAL_EDGE) parseEdge(asked.edge, "up");
  const stored = await readState(paths);
  const sandbox = chooseMode(asked, stored, agent !== null);
  // Before ports are looked for: what is wrong here is the user's to correct.
  const app = sandbox ? null : facebookApp(config, paths.config);
  const edgeAsked = sandbox ? null : rememberEdge(asked, config.edge, stored.edge);
  const wish = { edge: undefined, edgeKey: asked.edgeKey, publicUrl: asked.publicUrl, remotePort: asked.remotePort, ...edgeAsked };
  const localEdge = sandbox || (wish.edge ?? config.edge) === LOCAL_EDGE;
  const remote = localEdge ? null : await chooseEdge(wish, config, paths);
  if (remote?.plain) emit({ type: "warning", code: "NOT_AN_EDGE", message: PLAIN_SERVER_LACKS });
  const admitted = await readAdmitted(asked.edgeKeys, localEdge, io.cwd);

  const edition = (asked.edition ?? config.edition ?? stored.edition) as Edition;
  const core = edition === "core" ? coreOf({ config, sandbox, app }, io) : null;
  const wanted = { ...stored, edition, profiles: core?.profiles ?? [], sandbox };
  const engineAsked = (asked.engine ?? config.engine ?? "auto") as "auto" | "docker" | "embedded";
  const portsInput = { asked: asked.port ?? config.port, stored: stored.ports, sandbox, localEdge, running: agent !== null, lost };
  const { platform, usable, held } = await look({
    engine: { asked: engineAsked, state: wanted, adopt: asked.adopt, running: agent !== null },
    machine: {
      workspace: paths.root,
      edge: remote,
      graphUrl: app && config.graphUrl,
      memoryMb: core && estimatedMemory(core.profiles),
    },
    ports: portsInput,
    io,
    emit,
  });
  const ports = await choosePorts({ ...portsInput, held }, emit);
  return {
    platform,
    usable,
    edition,
    core,
    sandbox,
    localEdge,
    app,
    edge: remote ?? { host: "127.0.0.1", port: ports.edgeSsh },
    edgeKey: wish.edgeKey ?? edgeKey ?? null,
    edgeAsked,
    admitted,
    ports,
    stored,
    hold: config.hold && !asked.noHold && !remote?.plain,
    inspect: !asked.noInspect,
    replaceWebhook: asked.replaceWebhook,
    graphUrl: config.graphUrl,
    graphVersion: config.graphVersion,
    inboxUrl: inboxOrigin(asked.inboxUrl, io.env, ports.platform),
    api: config.api,
  };
}

/** Reads them, or makes them. */
export async function provide(paths: WorkspacePaths, localEdge: boolean): Promise<Provisions> {
  return {
    secrets: await loadOrCreateSecrets(paths),
    identity: await loadOrCreateIdentity(paths.identity),
    ownEdge: localEdge ? await loadOrCreateIdentity(paths.sandboxEdgeKey) : null,
  };
}

/** null where something of it would have to be made first. */
export async function provided(paths: WorkspacePaths, localEdge: boolean): Promise<Provisions | null> {
  const keys = await Promise.all([paths.identity, ...(localEdge ? [paths.sandboxEdgeKey] : [])].map((file) => readText(file)));
  const there = (await readSecrets(paths)) !== null && !keys.includes(null);
  return there ? provide(paths, localEdge) : null;
}

/** What the agent process is told. Pure. */
export function settingsOf(workspace: string, decision: Decision, provisions: Provisions): Omit<AgentSettings, "startId"> {
  const { app, ports, platform, sandbox, graphUrl, graphVersion } = decision;
  const { secrets, identity, ownEdge } = provisions;
  const { control, ...published } = ports;
  const facebook = app && { appId: app.appId, appSecret: app.appSecret, graphUrl, ...(graphVersion && { graphVersion }) };
  const own = ownEdge && {
    domain: SANDBOX_DOMAIN,
    edgeHostKey: ownEdge.privateKey,
    edgeKeys: `${identity.publicKey}\n${decision.admitted}`,
  };
  return {
    engine: platform.engine,
    spec: {
      workspace,
      ports: published,
      secrets: {
        databasePassword: secrets.databasePassword,
        verifyToken: app?.webhookSecret ?? secrets.verifyToken,
        platformSecret: secrets.platformSecret,
      },
      ...(decision.core && { core: withUrl(decision.core, decision, identity) }),
      api: decision.api,
      facebook: sandbox ? standIn(secrets, ports.facebook, graphVersion) : facebook,
      ...(decision.inboxUrl !== null && { inboxUrl: decision.inboxUrl }),
      sandbox:
        sandbox && own
          ? {
              ...own,
              page: { id: secrets.sandbox.pageId, name: "Sandbox Page", token: secrets.sandbox.pageToken },
              commandToken: secrets.sandbox.commandToken,
            }
          : null,
    },
    localEdge: sandbox ? null : own,
    edge: decision.edge,
    edgeKey: ownEdge?.publicKey ?? decision.edgeKey,
    controlPort: control,
    replaceWebhook: decision.replaceWebhook,
    hold: decision.hold,
    inspect: decision.inspect,
  };
}

/** What the workspace is to remember of it, to be written before anything is started. Pure. */
export function stateOf({ stored, usable, platform, edition, core, sandbox, edgeAsked, ports }: Decision): State {
  return {
    ...stored,
    engine: platform.engine,
    edition,
    profiles: core?.profiles ?? stored.profiles,
    engineAt: usable?.at ?? stored.engineAt,
    sandbox,
    edge: edgeAsked,
    ports,
  };
}

/**
 * A sandbox stays one until `airy down`, so that after a crash the same thing comes back. What runs is not replaced by another mode:
 * one is public, the other is not.
 */
function chooseMode(asked: Asked, stored: State, running: boolean): boolean {
  if (stored.sandbox === null) return asked.sandbox;
  if (running && asked.sandbox && !stored.sandbox) fail("MODE_CONFLICT", { sandbox: false, asked: "--sandbox" });
  if (running && asked.edge !== undefined && stored.sandbox) fail("MODE_CONFLICT", { sandbox: true, asked: `--edge ${asked.edge}` });
  return asked.sandbox || (stored.sandbox && asked.edge === undefined);
}

/** What of Airy Core runs. */
function coreOf({ config, sandbox, app }: { config: Config; sandbox: boolean; app: Decision["app"] }, { env }: Io): CoreSpec {
  const profiles = [...(sandbox || app ? (["facebook"] as const) : []), ...config.core.profiles];
  return { profiles, variables: config.core.variables, resign: wantsAirySignature(env) };
}

function withUrl(core: CoreSpec, decision: Decision, identity: Identity): CoreSpec {
  if (!core.profiles.includes("viber")) return core;
  return { ...core, variables: { ...core.variables, [PUBLIC_URL]: expectedUrl(decision, identity) } };
}

/** Facebook's part is played by the stand-in; its address is the one on this machine, containers have their own way. */
function standIn({ sandbox }: Secrets, port: number, graphVersion: string | undefined): PlatformSpec["facebook"] {
  const { appId, appSecret } = sandbox;
  return { appId, appSecret, graphUrl: `http://127.0.0.1:${port}`, ...(graphVersion && { graphVersion }) };
}
