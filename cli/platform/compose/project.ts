/** The compose project of a workspace: its name, its files in `.airy/docker`, and the variables of compose.yaml. */
import { createHash } from "node:crypto";
import path from "node:path";
import { pathHash } from "../../config/paths.ts";
import { readSelf } from "../../config/workspace.ts";
import type { Engine } from "../../docker/engine.ts";
import { makePrivateDir, readText, writeAtomic } from "../../io/files.ts";
import { fail } from "../../errors.ts";
import { platformOptions, type PlatformSpec } from "../platform.ts";
import { writeCoreProject } from "./core/project.ts";
import type { ImageSet } from "./image.ts";
import type { ServiceConfig, ServiceName } from "./service.ts";

export interface Project {
  name: string;
  /** Arguments of `docker compose` before its command. */
  args: string[];
  /** Variables of the compose files; no secrets but those of Airy Core. */
  env: Record<string, string>;
}

export interface ProjectOptions {
  spec: PlatformSpec;
  images: ImageSet;
  /** All images of compose/core, by variable; only for the Core edition. */
  coreImages: ReadonlyMap<string, string>;
  /** `uid:gid` of the containers that read our files. */
  user: string;
  /** The folder `compose` of the package. */
  composeDir: string;
  engine: Engine;
}

/** `airy-` and the 8 hex digits by which the workspace is known; those of its path where it does not say who it is. */
export async function projectName(workspace: string): Promise<string> {
  return `airy-${(await readSelf(workspace))?.name ?? pathHash(workspace)}`;
}

export function dockerDir(workspace: string): string {
  return path.join(workspace, ".airy", "docker");
}

/** Writes the files that the containers mount (0600) and returns what compose has to be told. */
export async function writeProject(options: ProjectOptions): Promise<Project> {
  const { spec, images, composeDir } = options;
  const { ports } = spec;
  const dir = dockerDir(spec.workspace);
  const { platform, ...beside } = configsOf(spec);
  const configs: Configs = spec.core ? beside : { platform, ...beside };
  const services = [...(spec.core ? [] : ["postgres"]), ...Object.keys(configs)];
  const env: Record<string, string> = {
    AIRY_WORKSPACE: spec.workspace,
    AIRY_FILES: dir,
    AIRY_USER: options.user,
    AIRY_IMAGE: images.own,
    AIRY_POSTGRES_IMAGE: images.postgres,
    AIRY_PLATFORM_PORT: String(ports.platform),
    AIRY_EDGE_SSH_PORT: String(ports.edgeSsh),
    AIRY_EDGE_HTTP_PORT: String(ports.edgeHttp),
    AIRY_FACEBOOK_PORT: String(ports.facebook),
  };
  await makePrivateDir(dir);
  if (!spec.core) await write(passwordFile(spec.workspace), spec.secrets.databasePassword);
  for (const [service, config] of Object.entries(configs)) {
    const text = JSON.stringify(config, null, 2);
    await write(path.join(dir, `${service}.json`), text);
    env[`AIRY_${service.toUpperCase()}_CONFIG`] = createHash("sha256").update(text).digest("hex").slice(0, 16);
  }
  const core =
    spec.core && (await writeCoreProject(spec, spec.core, { composeDir, dir: path.join(dir, "core"), images: options.coreImages }));
  if (core) Object.assign(env, core.env);
  const files = [core ? core.file : path.join(composeDir, "basic/compose.yaml")];
  if (spec.sandbox) files.push(path.join(composeDir, "sandbox/compose.yaml"));
  const overrides = overridesOf(options.engine, services, core !== undefined);
  if (overrides) {
    const file = path.join(dir, "engine.json");
    await write(file, JSON.stringify({ services: overrides }));
    files.push(file);
  }
  return { name: await projectName(spec.workspace), args: [...files.flatMap((file) => ["-f", file]), ...(core?.args ?? [])], env };
}

/** What services are told where the engine is of this kind; null: nothing. `own`: those that have a health check of ours. */
function overridesOf({ kind, version, userns }: Engine, own: readonly string[], core: boolean): Record<string, object> | null {
  // From version 25 on the engine can check often at the start and seldom afterwards.
  const often = kind === "docker" && Number(version.split(".")[0]) >= 25 && { healthcheck: { start_interval: "300ms" } };
  // With remapped users nobody in a container could read our files, whoever owns them.
  const remapped = userns && { userns_mode: "host" };
  if (!often && !remapped) return null;
  const overrides = new Map<string, object>(own.map((name) => [name, { ...often, ...remapped }]));
  if (core && remapped) for (const reader of ["gateway", "topics"]) overrides.set(reader, remapped);
  return overrides.size > 0 ? Object.fromEntries(overrides) : null;
}

/** The password that the containers were given last; null before there were any. */
export async function readPassword(workspace: string): Promise<string | null> {
  return readText(passwordFile(workspace));
}

function passwordFile(workspace: string): string {
  return path.join(dockerDir(workspace), "database-password");
}

type Configs = { [N in ServiceName]?: ServiceConfig<N> };

/** What each container of ours reads. Containers reach each other by service name. */
function configsOf(spec: PlatformSpec): Configs {
  const { ports, secrets, sandbox } = spec;
  const password = encodeURIComponent(secrets.databasePassword);
  const platform: ServiceConfig<"platform"> = {
    databaseUrl: `postgres://airy:${password}@postgres:5432/airy`,
    listen: { host: "0.0.0.0", port: ports.platform },
    workspace: path.basename(spec.workspace),
    ...platformOptions(spec),
    facebook: spec.facebook && {
      appId: spec.facebook.appId,
      appSecret: spec.facebook.appSecret,
      verifyToken: secrets.verifyToken,
      graphUrl: sandbox ? `http://facebook:${ports.facebook}` : spec.facebook.graphUrl,
      graphVersion: spec.facebook.graphVersion,
    },
  };
  if (!sandbox) return { platform };
  if (!spec.facebook) return fail("INTERNAL", { reason: "a sandbox needs the app of its stand-in for Facebook" });
  const edge: ServiceConfig<"edge"> = {
    domain: sandbox.domain,
    ssh: { host: "0.0.0.0", port: ports.edgeSsh },
    http: { host: "0.0.0.0", port: ports.edgeHttp },
    dataDir: "/data",
    hostKey: sandbox.edgeHostKey,
    authorizedKeys: sandbox.edgeKeys,
  };
  const facebook: ServiceConfig<"facebook"> = {
    listen: { host: "0.0.0.0", port: ports.facebook },
    app: { id: spec.facebook.appId, secret: spec.facebook.appSecret, name: "Airy Sandbox" },
    page: sandbox.page,
    commandToken: sandbox.commandToken,
    dataDir: "/data",
    localhost: "edge",
  };
  return { platform, edge, facebook };
}

/** 0600. What has not changed stays untouched: running containers have the file mounted. */
async function write(file: string, text: string): Promise<void> {
  if ((await readText(file)) !== text) await writeAtomic(file, text);
}
