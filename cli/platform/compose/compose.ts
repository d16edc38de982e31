/** Engine "docker": the services in containers, driven through docker compose, watched through the engine's socket. */
import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Io } from "../../io/io.ts";
import { joinSignals } from "../../io/signals.ts";
import type { Emit } from "../../events.ts";
import { AiryError, fail, whyOf } from "../../errors.ts";
import type { Platform } from "../platform.ts";
import { composeDown, composeUp, configHashes, requireCompose } from "./cli.ts";
import { listContainers } from "./containers.ts";
import { connectEngine, type Engine } from "./engine.ts";
import { build, imagesOf, isPresent, pull, removeOldImages, whyUnavailable, type ImageSet, type Package } from "./image.ts";
import { projectLogs } from "./logs.ts";
import { dockerDir, projectName, writeProject, type Project } from "./project.ts";
import { createReporter, watchUntilHealthy } from "./watch.ts";

export interface ComposeOptions extends Pick<Io, "env" | "uid" | "os"> {
  /** Folder of the bundle, absolute; `compose/` of the package is beside it. */
  distDir: string;
}

export function createCompose({ env, uid, os, distDir }: ComposeOptions): Platform {
  const pack: Package = { distDir, composeDir: path.join(distDir, "../compose") };

  return {
    engine: "docker",

    async facts() {
      try {
        const [engine, version, images] = await Promise.all([connectEngine(os), requireCompose(), imagesOf(pack, env)]);
        const lacks: string[] = [];
        for (const image of await neededImages(engine, images)) {
          if (await isPresent(engine, image)) continue;
          const reason = await whyUnavailable(engine, image);
          if (reason !== null) fail("IMAGE_PULL_FAILED", { image, reason });
          lacks.push(image);
        }
        if (images.build && !(await isPresent(engine, images.own))) lacks.push(`${images.own} (built here)`);
        return { usable: true, detail: `docker ${engine.version}, compose ${version}`, lacks };
      } catch (error) {
        if (!(error instanceof AiryError)) throw error;
        return { usable: false, reason: `${error.message} ${whyOf(error)}`, error };
      }
    },

    async fetch(workspace, emit, signal) {
      const [engine, images] = await Promise.all([connectEngine(os), imagesOf(pack, env)]);
      await provideImages(engine, workspace, images, emit, signal);
    },

    async up(spec, emit, signal) {
      const [engine, , images] = await Promise.all([connectEngine(os), requireCompose(), imagesOf(pack, env)]);
      const project = await writeProject({
        spec,
        images,
        user: userOf(engine, uid),
        composeDir: pack.composeDir,
        startInterval: Number(engine.version.split(".")[0]) >= 25,
      });
      const expected = await configHashes(project);
      if (await isUpToDate(engine, project, expected, emit)) return;
      const provide = (): Promise<void> => provideImages(engine, spec.workspace, images, emit, signal);
      await provide();
      try {
        await start(engine, project, expected, emit, signal);
      } catch (error) {
        // In between, the `destroy` of another workspace may have removed our image, which nothing used yet.
        if (signal.aborted || (await isPresent(engine, images.own))) throw error;
        await provide();
        await start(engine, project, expected, emit, signal);
      }
    },

    async down(workspace, emit) {
      await stop(await connectEngine(os), projectName(workspace), emit, false);
    },

    async destroy(workspace, emit) {
      const engine = await connectEngine(os);
      await stop(engine, projectName(workspace), emit, true);
      await removeOldImages(engine, null);
      await rm(dockerDir(workspace), { recursive: true, force: true });
    },

    async status(workspace) {
      return (await listContainers(await connectEngine(os), projectName(workspace))).map(({ status }) => status);
    },

    async *logs(workspace, logOptions) {
      yield* projectLogs(await connectEngine(os), projectName(workspace), logOptions);
    },
  };

  /** What has to be here or at its registry before `up` can work. */
  async function neededImages(engine: Engine, images: ImageSet): Promise<string[]> {
    if (!images.build) return [images.postgres, images.own];
    return (await isPresent(engine, images.own)) ? [images.postgres] : [images.postgres, images.node];
  }

  async function provideImages(engine: Engine, workspace: string, images: ImageSet, emit: Emit, signal: AbortSignal): Promise<void> {
    for (const image of await neededImages(engine, images)) {
      if (await isPresent(engine, image)) continue;
      const name = image === images.postgres ? "postgres" : "platform";
      const report = (line: string): void => {
        emit({ type: "service", service: { name, state: "created", health: "none" }, detail: `pulling ${image}: ${line}` });
      };
      report("asking the registry");
      await pull(image, signal, report);
    }
    if (!images.build || (await isPresent(engine, images.own))) return;
    emit({
      type: "service",
      service: { name: "platform", state: "created", health: "none" },
      detail: `building the image ${images.own}`,
    });
    await build(pack, images, path.join(dockerDir(workspace), "image"), signal);
    await removeOldImages(engine, images.own);
  }
}

async function start(
  engine: Engine,
  project: Project,
  expected: ReadonlyMap<string, string>,
  emit: Emit,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const either = joinSignals([signal, over.signal]);
  const started = composeUp(project, either.signal);
  try {
    await watchUntilHealthy({ engine, project: project.name, expected, emit, signal }, started);
  } finally {
    over.abort(); // a service crashed: compose need not wait for it any longer
    await started.catch(() => undefined);
    either.release();
  }
}

/** Whether exactly the expected services run, healthy and with the expected configuration: then compose has nothing to do. */
async function isUpToDate(engine: Engine, project: Project, expected: ReadonlyMap<string, string>, emit: Emit): Promise<boolean> {
  const containers = await listContainers(engine, project.name);
  const fine = containers.filter(
    ({ service, status, configHash }) => status.state === "running" && status.health === "healthy" && expected.get(service) === configHash,
  );
  if (fine.length !== expected.size || containers.length !== expected.size) return false;
  createReporter(emit)(containers);
  return true;
}

/** The files are readable by their owner alone. Where the engine runs as that user, the user is root in the containers. */
function userOf(engine: Engine, uid: number | null): string {
  return engine.rootless || uid === null ? "0:0" : `${uid}:${uid}`;
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
  const filters = encodeURIComponent(JSON.stringify({ label: [`com.docker.compose.project=${project}`] }));
  const { Volumes } = volumesSchema.parse(JSON.parse(String(await engine.get(`/volumes?filters=${filters}`))));
  return (Volumes ?? []).map(({ Name }) => Name);
}
