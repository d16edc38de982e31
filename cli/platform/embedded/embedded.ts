/**
 * Engine "embedded": the platform's services without docker. They run inside the background agent process, so `up` is called there and
 * `down` there stops them. Called from another process, after that one has ended, `down`, `destroy`, `status` and `logs` work from files.
 */
import { readFile, rm, stat } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { makePrivateDir } from "../../io/files.ts";
import { createHttpClient } from "../../io/http.ts";
import type { Emit, ServiceStatus } from "../../events.ts";
import { asAiryError, fail, whyOf } from "../../errors.ts";
import type { Platform } from "../platform.ts";
import { findNative, mendBinaries, tryPrograms } from "./binaries.ts";
import { besideBase } from "./footing.ts";
import { readLogs, savedLogs } from "./logs.ts";
import { findPostmaster, stopPostmaster } from "./postmaster.ts";
import type { Host } from "./postgres.ts";
import { readRecord, removeRecord, writeRecord, type StackRecord } from "./record.ts";
import { removeSocketDir } from "./socket.ts";
import type { RunningStack } from "./stack.ts";

/** Milliseconds a running service gets to answer when it is asked how it is. */
const answerWithinMs = 1000;
const lookAgainMs = 5000;

export interface EmbeddedOptions {
  host: Host;
  /** Of this process. */
  pid: number;
  /** Folder with the built inbox page: `web` beside the bundle. */
  webDir: string;
}

export function createEmbedded({ host, pid, webDir }: EmbeddedOptions): Platform {
  let running: { stack: RunningStack; spec: string } | null = null;

  const stop = async (workspace: string, emit: Emit): Promise<void> => {
    if (running) {
      const { stack } = running;
      running = null;
      await stack.close();
    }
    for (const base of await bases(workspace)) {
      const orphan = await stopPostmaster(path.join(base, "data"), host.kill);
      await removeSocketDir(base);
      if (orphan) emit({ type: "service", service: { name: "postgres", state: "exited", health: "none" } });
    }
    await removeRecord(workspace);
  };

  return {
    engine: "embedded",

    async facts() {
      try {
        return { usable: true, detail: `Postgres ${await ownVersion(host)} of airy's own`, lacks: [], at: null, cautions: [] };
      } catch (error) {
        const missing = asAiryError(error);
        return { usable: false, reason: whyOf(missing), error: missing };
      }
    },

    fetch: async () => {},

    async up(spec, emit, signal) {
      const wanted = JSON.stringify(spec);
      if (running?.spec === wanted) return;
      if (running) await stop(spec.workspace, emit);
      await makePrivateDir(path.join(spec.workspace, ".airy"));
      // Loaded only here: the services bring the SSH server, the database driver and more, which `status` and `logs` do not need.
      const { startStack } = await import("./stack.ts");
      running = { stack: await startStack({ spec, host, webDir, emit, signal }), spec: wanted };
      const { ports } = spec;
      const services = [{ name: "platform", port: ports.platform, path: "/health" }];
      if (spec.sandbox) {
        services.push({ name: "edge", port: ports.edgeHttp, path: "/" }, { name: "facebook", port: ports.facebook, path: "/" });
      }
      await writeRecord(spec.workspace, pid, services);
    },

    async stored(workspace) {
      const found = await Promise.all(
        (await bases(workspace)).map((base) => stat(path.join(base, "data", "PG_VERSION")).catch(() => null)),
      );
      return found.some((file) => file !== null);
    },

    offline: (workspace, password, signal) => readStored(host, workspace, password, signal),

    down: stop,

    async destroy(workspace, emit) {
      await stop(workspace, emit);
      for (const dir of [...(await bases(workspace)), path.join(workspace, ".airy", "edge")]) {
        await rm(dir, { recursive: true, force: true, maxRetries: 5 });
      }
    },

    async status(workspace) {
      return running ? running.stack.status() : fromFiles(workspace);
    },

    // The services say themselves how they fare; this is for what they do not notice.
    async *changes(_, signal) {
      while (!signal.aborted) {
        yield { started: [], back: false };
        await delay(lookAgainMs, undefined, { signal }).catch(() => {});
      }
    },

    async *logs(workspace, options) {
      const wanted = (await savedLogs(workspace)).filter((service) => options.service === null || service === options.service);
      yield* readLogs(workspace, wanted, options);
    },
  };
}

/** Starts the database alone, to read what it holds. The caller closes it. */
async function readStored(
  host: Host,
  workspace: string,
  password: string,
  signal: AbortSignal,
): Promise<{ lines: Readable; close(): Promise<void> }> {
  const [{ startPostgres }, { readOffline }] = await Promise.all([import("./postgres.ts"), import("../../../compose/basic/src/index.ts")]);
  const database = await startPostgres({ workspace, password, host, emit: () => {}, signal });
  try {
    return { lines: await readOffline(database.url), close: () => database.close() };
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Tried, because programs that are there may not run: without glibc, say. Throws POSTGRES_MISSING, POSTGRES_UNUSABLE. */
async function ownVersion({ os, arch, uid }: Host): Promise<string> {
  const native = findNative(os, arch);
  const binaries = await mendBinaries(native, null);
  const trial = binaries && (await tryPrograms(binaries));
  if (trial && "version" in trial) return trial.version;
  // A start adds what is missing in the workspace, and root's copies them to where they may be executed.
  if (trial && !(trial.denied && uid === 0)) fail("POSTGRES_UNUSABLE", { reason: trial.reason, root: false });
  const { version } = JSON.parse(await readFile(path.join(native, "..", "package.json"), "utf8")) as { version: string };
  return version.split(".").slice(0, 2).join(".");
}

/** Where the database of the workspace may lie, see footing.ts. */
async function bases(workspace: string): Promise<string[]> {
  const base = path.join(workspace, ".airy", "postgres");
  return [base, await besideBase({ base })];
}

async function fromFiles(workspace: string): Promise<ServiceStatus[]> {
  const record = await readRecord(workspace);
  if (!record) return [];
  return Promise.all([databaseStatus(workspace), ...record.services.map((service) => serviceStatus(service, record.alive))]);
}

async function databaseStatus(workspace: string): Promise<ServiceStatus> {
  for (const base of await bases(workspace)) {
    const found = await findPostmaster(path.join(base, "data"));
    if (!found) continue;
    if (!found.ready) return { name: "postgres", state: "starting", health: "starting" };
    return { name: "postgres", state: "running", health: (await answersAsPostgres(found.socket)) ? "healthy" : "unhealthy" };
  }
  return { name: "postgres", state: "exited", health: "none" };
}

async function serviceStatus(service: StackRecord["services"][number], alive: boolean): Promise<ServiceStatus> {
  const { name } = service;
  if (!alive) return { name, state: "exited", health: "none" };
  const url = `http://127.0.0.1:${service.port}${service.path}`;
  const answered = await createHttpClient()({ url, timeoutMs: answerWithinMs }).then(
    (response) => response.status < 500,
    () => false,
  );
  return { name, state: "running", health: answered ? "healthy" : "unhealthy" };
}

/** Asks for TLS, which any Postgres answers with one letter before it wants to know who asks (SSLRequest, protocol 3). */
function answersAsPostgres(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: file });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(answerWithinMs, () => end(false));
    socket.once("error", () => end(false));
    socket.once("end", () => end(false));
    socket.once("data", (answer) => end(answer[0] === 0x4e || answer[0] === 0x53));
    socket.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
  });
}
