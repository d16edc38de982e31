/** Engine "docker": the services in containers, driven through docker compose, watched through the engine's events. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { namesBefore } from "../../config/marks.ts";
import { readSelf, takeName } from "../../config/workspace.ts";
import { connectEngine, requireSame, type Engine, type EngineAt } from "../../docker/engine.ts";
import { AiryError, asAiryError, fail, whyOf, withDetails } from "../../errors.ts";
import type { Emit, ServiceStatus } from "../../events.ts";
import type { Io } from "../../io/io.ts";
import { joinSignals } from "../../io/signals.ts";
import { readLogs, savedLogs } from "../embedded/logs.ts";
import type { Change, LogLine, Platform, PlatformSpec, Usable } from "../platform.ts";
import { composeDown, composeUp, configHashes, requireCompose } from "./cli.ts";
import { listContainers, observeContainers, publishedPorts, type Container } from "./containers.ts";
import { allImages, cautionsOf } from "./core/images.ts";
import { isDone, observeCore, reviveCore, untilCoreReady } from "./core/readiness.ts";
import { build, imagesOf, isPresent, removeOldImages, type ImageSet, type Package } from "./image.ts";
import { followLogs, keepLogs, projectLogs } from "./logs.ts";
import { dockerDir, projectName, readPassword, writeProject, type Project } from "./project.ts";
import { absent, findNeeds, lacking, type CoreParts, type Needs } from "./needs.ts";
import { mend, removeUnwanted, renewPassword } from "./mend.ts";
import { pull } from "./pull.ts";
import { createReporter, isFine, watchChanges, watchUntilHealthy } from "./watch.ts";

export interface ComposeOptions extends Pick<Io, "env" | "uid" | "os" | "cwd" | "now"> {
  /** Folder of the bundle, absolute; `compose/` of the package is beside it. */
  distDir: string;
  /** The engine in which this workspace's containers and messages are; null before there are any. */
  at: EngineAt | null;
  /** The user's word that what an earlier workspace in this folder left in docker is to be used. */
  adopt: boolean;
  /** Which parts of Airy Core are to run, and whether the sandbox beside them; null: the basic edition. */
  core?: CoreParts | null;
}

/** An engine that went away is looked for again after this long. */
const RETRY_MS = 5000;
/** Airy Core's services are asked this often how they are: while all are ready, and while one is not. */
const CORE_REST_MS = 60_000;
const CORE_WAIT_MS = 3000;

export function createCompose(options: ComposeOptions): Platform {
  return new Compose(options);
}

class Compose implements Platform {
  readonly engine = "docker";
  readonly #options: ComposeOptions;
  readonly #package: Package;
  readonly #passed = new Set<string>();
  #connected: Promise<Engine> | null = null;
  /** At the last look all of Airy Core's services were ready. */
  #settled = true;

  constructor(options: ComposeOptions) {
    this.#options = options;
    this.#package = { distDir: options.distDir, composeDir: path.join(options.distDir, "../compose") };
  }

  async facts(): ReturnType<Platform["facts"]> {
    try {
      return await this.#use(async (engine) => {
        const [version, images] = await Promise.all([requireCompose(), this.#images()]);
        const detail = `${engine.kind} ${engine.version}, compose ${version}`;
        const at = { id: engine.id, endpoint: engine.endpoint };
        const { core } = this.#options;
        const lacks = await lacking(engine, await this.#needs(engine, images));
        return { usable: true, detail, lacks, at, cautions: core ? cautionsOf(engine, core.profiles) : [] } satisfies Usable;
      });
    } catch (error) {
      if (!(error instanceof AiryError)) throw error;
      return { usable: false, reason: `${error.message} ${whyOf(error)}`, error };
    }
  }

  async fetch(workspace: string, emit: Emit, signal: AbortSignal): Promise<void> {
    await this.#use(async (engine) => this.#provideImages(engine, workspace, await this.#images(), emit, signal));
  }

  async up(spec: PlatformSpec, emit: Emit, signal: AbortSignal): Promise<void> {
    await this.#use(async (engine) => {
      const [images, version] = await Promise.all([this.#images(), requireCompose()]);
      if (!spec.core) await this.#requireOwnData(engine, spec.workspace);
      const known = await readPassword(spec.workspace);
      const { composeDir } = this.#package;
      const core = spec.core ? await allImages(composeDir, this.#options.env) : new Map<string, string>();
      const project = await writeProject({ spec, images, coreImages: core, user: userOf(engine, this.#options.uid), engine, composeDir });
      const expected = await configHashes(project);
      if (await isUpToDate(engine, project, expected, emit)) return;
      const provide = (): Promise<void> => this.#provideImages(engine, spec.workspace, images, emit, signal);
      await provide();
      await mend(engine, project, expected);
      await removeUnwanted(engine, project, expected, emit);
      const begin = async (): Promise<void> => {
        // The data outlived the secrets: its server, which trusts who asks from inside, is told the new password.
        const forgotten = !spec.core && known !== spec.secrets.databasePassword;
        if (forgotten && (await hasData(engine, project.name))) await renewPassword(engine, project, signal);
        await start(engine, project, { expected, version, emit, signal });
        if (spec.core) await untilCoreReady({ engine, project: project.name, emit, signal });
      };
      try {
        await begin();
      } catch (error) {
        // In between, the `destroy` of another workspace may have removed our image, which nothing used yet.
        if (signal.aborted || spec.core || (await isPresent(engine, images.own))) throw error;
        await provide();
        await begin();
      }
      if (images.build && !spec.core) await removeOldImages(engine, images.own);
    });
  }

  stored(workspace: string): Promise<boolean> {
    return this.#use(async (engine) => hasData(engine, await projectName(workspace)));
  }

  async down(workspace: string, emit: Emit): Promise<void> {
    await this.#use(async (engine) => {
      const name = await projectName(workspace);
      await keepLogs(engine, name, workspace).catch(() => undefined);
      await stop(engine, name, emit, false);
    });
  }

  async destroy(workspace: string, emit: Emit): Promise<void> {
    await this.#use(async (engine) => {
      await stop(engine, await projectName(workspace), emit, true);
      await removeOldImages(engine, null);
      await rm(dockerDir(workspace), { recursive: true, force: true });
    });
  }

  async status(workspace: string): Promise<ServiceStatus[]> {
    return this.#use(async (engine) => {
      const containers = await observeCore(engine, await observeContainers(engine, await projectName(workspace), this.#passed));
      this.#settled = !containers.some(isWanting);
      return containers.map(({ status }) => status);
    });
  }

  async revive(workspace: string, service: string): Promise<boolean> {
    if (!this.#options.core) return false;
    return this.#use(async (engine) => reviveCore(engine, await projectName(workspace), service));
  }

  async held(workspace: string): Promise<Set<number>> {
    return this.#use(async (engine) => publishedPorts(engine, await projectName(workspace)));
  }

  async restart(workspace: string, service: string): Promise<void> {
    await this.#use(async (engine) => {
      const found = (await listContainers(engine, await projectName(workspace))).find((one) => one.service === service);
      if (!found) fail("NOT_RUNNING", { workspace });
      await engine.ask((docker, abortSignal) => docker.getContainer(found.id).restart({ abortSignal }), { timeoutMs: 60_000 });
    });
  }

  async *changes(workspace: string, signal: AbortSignal): AsyncGenerator<Change> {
    // The engine does not know how Airy's services are, and so has no event for it.
    const restMs = this.#options.core ? () => (this.#settled ? CORE_REST_MS : CORE_WAIT_MS) : () => null;
    yield* watchChanges(() => this.#connect(), await projectName(workspace), signal, { retryMs: RETRY_MS, restMs });
  }

  async *logs(workspace: string, options: Parameters<Platform["logs"]>[1]): AsyncGenerator<LogLine> {
    const saved = await savedLogs(workspace);
    const wanted = saved.filter((service) => options.service === null || options.service === service);
    const name = await projectName(workspace);
    const read = await this.#use((engine) => projectLogs(engine, name, options)).catch((error: unknown) => ({ failed: error }));
    const live = Array.isArray(read) ? read : [];
    const gone = wanted.filter((service) => !live.some((line) => line.service === service));
    yield* readLogs(workspace, gone, { ...options, follow: false });
    for (const { service, at, line } of live) yield { service, at, line };
    if ("failed" in read) throw read.failed;
    if (options.follow) yield* followLogs(await this.#connect(), name, options);
  }

  #images(): Promise<ImageSet> {
    return imagesOf(this.#package, this.#options.env);
  }

  /** Throws as connectEngine does, and ENGINE_ELSEWHERE. */
  async #connect(): Promise<Engine> {
    this.#connected ??= connectEngine(this.#options);
    try {
      const engine = await this.#connected;
      if (!this.#options.adopt) requireSame(engine, this.#options.at);
      return engine;
    } catch (error) {
      this.#connected = null;
      throw error;
    }
  }

  /** What fails because of the engine is told with whether another engine could do instead, and the next question looks for it anew. */
  async #use<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#connect());
    } catch (error) {
      const failure = asAiryError(error);
      if (failure.code === "DOCKER_DOWN" || failure.code === "DOCKER_DENIED") this.#connected = null;
      if (error instanceof AiryError && this.#options.at !== null) throw withDetails(error, { bound: true });
      throw error;
    }
  }

  /** Throws DATA_OF_BEFORE when an earlier workspace in this folder has left messages, unless the user wants them. */
  async #requireOwnData(engine: Engine, workspace: string): Promise<void> {
    const self = await readSelf(workspace);
    if (!self || (await hasData(engine, await projectName(workspace)))) return;
    for (const name of await namesBefore(this.#options.env, workspace, self)) {
      if (!(await hasData(engine, `airy-${name}`))) continue;
      if (!this.#options.adopt) fail("DATA_OF_BEFORE", { dir: workspace, project: `airy-${name}`, volume: volumeOf(`airy-${name}`) });
      await takeName(workspace, name, this.#options);
      return;
    }
  }

  #needs(engine: Engine, images: ImageSet): Promise<Needs> {
    return findNeeds(engine, images, { ...this.#package, env: this.#options.env, core: this.#options.core ?? null });
  }

  async #provideImages(engine: Engine, workspace: string, images: ImageSet, emit: Emit, signal: AbortSignal): Promise<void> {
    const needs = await this.#needs(engine, images);
    await Promise.all(
      (await absent(engine, needs)).map(async (image) => {
        const name = needs.official.get(image) ?? "platform";
        const report = (text: string): void => {
          emit({ type: "service", service: { name, state: "created", health: "none" }, detail: `pulling ${image}: ${text}` });
        };
        report("asking the registry");
        await pull(engine, image, signal, report);
      }),
    );
    if (!needs.builds) return;
    const service = { name: "platform", state: "created", health: "none" } as const;
    emit({ type: "service", service, detail: `building the image ${images.own}` });
    await build(this.#package, images, path.join(dockerDir(workspace), "image"), signal);
    // It is not being built any more.
    emit({ type: "service", service });
    await removeOldImages(engine, images.own);
  }
}

async function start(
  engine: Engine,
  project: Project,
  { expected, version, emit, signal }: { expected: ReadonlyMap<string, string>; version: string; emit: Emit; signal: AbortSignal },
): Promise<void> {
  const over = new AbortController();
  const either = joinSignals([signal, over.signal]);
  let started: Promise<void> = Promise.resolve();
  try {
    const onProgress = (detail: string): void => emit({ type: "step", id: "platform", state: "running", detail });
    const begin = (): Promise<void> => (started = composeUp(project, { signal: either.signal, version, onProgress }));
    await watchUntilHealthy({ engine, project: project.name, expected, emit, signal }, begin);
  } finally {
    over.abort(); // a service crashed: compose need not wait for it any longer
    await started.catch(() => undefined);
    either.release();
  }
}

/** Whether exactly the expected services run, healthy and with the expected configuration: then compose has nothing to do. */
async function isUpToDate(engine: Engine, project: Project, expected: ReadonlyMap<string, string>, emit: Emit): Promise<boolean> {
  const observed = await observeContainers(engine, project.name);
  const containers = [...observed.filter(isDone), ...(await observeCore(engine, observed))];
  const fine = containers.filter((one) => isFine(one) && !isWanting(one) && expected.get(one.service) === one.configHash);
  if (fine.length !== expected.size || containers.length !== expected.size) return false;
  createReporter(emit)(containers);
  return true;
}

/** Of Airy's, asked from outside: it runs and is not ready. */
function isWanting({ status }: Container): boolean {
  return status.health === "unhealthy" || status.health === "starting";
}

/** The files are readable by their owner alone. Where the engine runs as that user, the user is root in the containers. */
function userOf(engine: Engine, uid: number | null): string {
  return engine.rootless || uid === null ? "0:0" : `${uid}:${uid}`;
}

function volumeOf(project: string): string {
  return `${project}_postgres`;
}

async function hasData(engine: Engine, project: string): Promise<boolean> {
  return (await engine.ask((docker, abortSignal) => docker.getVolume(volumeOf(project)).inspect({ abortSignal }))) !== null;
}

const volumesSchema = z.object({ Volumes: z.array(z.object({ Name: z.string() })).nullish() });

async function stop(engine: Engine, project: string, emit: Emit, andDelete: boolean): Promise<void> {
  const services = (await listContainers(engine, project)).map(({ service }) => service);
  const volumes = andDelete ? await listVolumes(engine, project) : [];
  await composeDown(project, { volumes: andDelete });
  for (const name of services) emit({ type: "service", service: { name, state: "exited", health: "none" }, detail: "stopped and removed" });
  for (const volume of volumes) {
    const name = volume.slice(project.length + 1);
    emit({ type: "service", service: { name, state: "exited", health: "none" }, detail: `data volume ${volume} deleted` });
  }
}

async function listVolumes(engine: Engine, project: string): Promise<string[]> {
  const filters = { label: [`com.docker.compose.project=${project}`] };
  const { Volumes } = volumesSchema.parse(await engine.ask((docker, abortSignal) => docker.listVolumes({ filters, abortSignal })));
  return (Volumes ?? []).map(({ Name }) => Name);
}
