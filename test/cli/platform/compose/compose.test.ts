import { readdirSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHttpClient } from "../../../../cli/io/http.ts";
import type { AiryEventBody } from "../../../../cli/events.ts";
import { projectName } from "../../../../cli/platform/compose/project.ts";
import type { LogLine, PlatformSpec } from "../../../../cli/platform/platform.ts";
import { AiryError } from "../../../../cli/errors.ts";
import { docker, hasDocker, leftOf } from "../../../support/docker.ts";
import { createDocker, lastStatuses, makeSpec, secrets } from "./spec.ts";

const minutes = 60_000;
const http = createHttpClient();
const allHealthy = ["postgres", "platform", "edge", "facebook"].map((name) => ({ name, state: "running", health: "healthy" }));

describe.skipIf(!hasDocker)("the docker engine", () => {
  const engine = createDocker();
  let spec: PlatformSpec;
  let project: string;
  const events: AiryEventBody[] = [];
  const emit = (event: AiryEventBody): void => void events.push(event);
  const up = (changed: Partial<PlatformSpec> = {}): Promise<void> =>
    engine.up({ ...spec, ...changed }, emit, AbortSignal.timeout(2 * minutes));
  const idOf = (service: string): string => docker("ps", "-q", "--no-trunc", "--filter", `name=^${project}-${service}-1$`);
  const ids = (): string[] => allHealthy.map(({ name }) => idOf(name));
  const psql = (sql: string): string => docker("exec", `${project}-postgres-1`, "psql", "-U", "airy", "-At", "-c", sql);

  beforeAll(async () => {
    spec = await makeSpec();
    project = await projectName(spec.workspace);
    await up();
  }, 3 * minutes);

  afterAll(async () => {
    await engine.destroy(spec.workspace, emit);
    rmSync(spec.workspace, { recursive: true, force: true });
  }, minutes);

  test("can be used, and says with what", async () => {
    expect(await engine.facts()).toMatchObject({
      usable: true,
      detail: expect.stringMatching(/^docker \d.*, compose 2\.\d+|compose [3-9]/),
      lacks: [],
      at: { id: docker("info", "--format", "{{.ID}}"), endpoint: expect.stringContaining("docker.sock") },
    });
  });

  test("says how each service got on, and that all are healthy", async () => {
    expect(await engine.status(spec.workspace)).toEqual(allHealthy);
    expect(lastStatuses(events)).toEqual(expect.arrayContaining(allHealthy));
    expect(events).toContainEqual({ type: "service", service: { name: "platform", state: "running", health: "starting" } });
  });

  test("publishes each service on 127.0.0.1, and the database nowhere", async () => {
    const { platform, facebook, edgeHttp, edgeSsh } = spec.ports;
    expect((await http({ url: `http://127.0.0.1:${platform}/health` })).status).toBe(200);
    expect((await http({ url: `http://127.0.0.1:${facebook}/` })).status).toBeLessThan(500);
    const unknown = await http({ url: `http://aaaaaaaaaa.tunnel.localhost:${edgeHttp}/` });
    expect(unknown.status).toBe(404);
    expect(unknown.headers["airy-error"]).toBeTruthy();
    const published = docker("ps", "--filter", `label=com.docker.compose.project=${project}`, "--format", "{{.Ports}}");
    const addresses = published.match(/[^\s,]+(?=->)/g) ?? [];
    expect(addresses.sort()).toEqual([platform, facebook, edgeHttp, edgeSsh].map((port) => `127.0.0.1:${port}`).sort());
  });

  test("keeps secrets in files that their owner alone can read: not in the environment, arguments or labels of a container", () => {
    const inspected = docker("inspect", ...ids());
    for (const secret of Object.values(secrets)) expect(inspected).not.toContain(secret);
    const dir = path.join(spec.workspace, ".airy/docker");
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    const files = readdirSync(dir);
    expect(files).toEqual(expect.arrayContaining(["database-password", "platform.json", "edge.json", "facebook.json"]));
    for (const file of files) expect([file, statSync(path.join(dir, file)).mode & 0o777]).toEqual([file, 0o600]);
  });

  test("changes nothing when all runs", async () => {
    const before = docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", ...ids());
    events.length = 0;
    await up();
    expect(docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", ...ids())).toBe(before);
    expect(lastStatuses(events)).toEqual(allHealthy);
  });

  test("reads the logs of all services as one stream, and goes on with what is written later", async () => {
    const all: LogLine[] = [];
    const options = { service: null, tail: 50, follow: false, signal: AbortSignal.timeout(minutes) };
    for await (const line of engine.logs(spec.workspace, options)) all.push(line);
    expect(new Set(all.map(({ service }) => service))).toEqual(new Set(allHealthy.map(({ name }) => name)));
    expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).sort());
    expect(all.filter(({ service, line }) => service === "platform" && line === "platform is up")).toHaveLength(1);

    const stop = new AbortController();
    const followed: LogLine[] = [];
    const following = (async () => {
      for await (const line of engine.logs(spec.workspace, { service: "postgres", tail: 1, follow: true, signal: stop.signal })) {
        followed.push(line);
        if (line.line.includes("canary-relation")) stop.abort();
      }
    })();
    expect(() => psql("select * from canary-relation")).toThrow();
    await following;
    expect(followed.every(({ service }) => service === "postgres")).toBe(true);
    expect(followed.filter(({ line }) => line.includes("canary-relation")).length).toBeGreaterThan(0);
  });

  test(
    "brings a service back that was killed",
    async () => {
      const before = idOf("platform");
      const startedAt = (): string => docker("inspect", "--format", "{{.State.StartedAt}}", before);
      const first = startedAt();
      process.kill(Number(docker("inspect", "--format", "{{.State.Pid}}", before)), "SIGKILL");
      await expect.poll(startedAt, { timeout: 20_000 }).not.toBe(first);
      const status = allHealthy.map((service) => (service.name === "platform" ? { ...service, restarts: 1 } : service));
      await expect.poll(() => engine.status(spec.workspace), { timeout: 30_000 }).toEqual(status);
    },
    minutes,
  );

  test(
    "replaces only what a changed configuration is about",
    async () => {
      const before = ids();
      await up({ secrets: { ...spec.secrets, verifyToken: "canary-another-token" } });
      const after = ids();
      expect(after[1]).not.toBe(before[1]);
      expect([after[0], after[2], after[3]]).toEqual([before[0], before[2], before[3]]);
    },
    minutes,
  );

  test(
    "says with which words a service exited, keeps it for inspection, and picks up from there",
    async () => {
      const wrong = up({ sandbox: { ...spec.sandbox!, edgeHostKey: "canary-no-key" } });
      const error = await wrong.then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(AiryError);
      expect(error).toMatchObject({ code: "SERVICE_EXITED", details: { service: "edge" } });
      const { exitCode, log } = (error as AiryError).details;
      expect(exitCode).toBeGreaterThan(0);
      expect((log as string[]).join("\n")).toMatch(/host key/i);
      expect((log as string[]).length).toBeLessThanOrEqual(20);
      expect(docker("ps", "-a", "--filter", `name=^${project}-edge-1$`, "--format", "{{.Names}}")).toBe(`${project}-edge-1`);

      await up();
      expect(await engine.status(spec.workspace)).toEqual(allHealthy);
    },
    2 * minutes,
  );

  test(
    "a password that is new while the data is old is set in the database, and nothing is lost",
    async () => {
      psql("create table kept (text text); insert into kept values ('message')");
      await up({ secrets: { ...spec.secrets, databasePassword: "canary-new-password" } });
      expect(psql("select text from kept")).toBe("message");
      await up();
    },
    2 * minutes,
  );

  test(
    "brings back what was removed, paused or is unhealthy, and says when it changes",
    async () => {
      const stop = new AbortController();
      const changes = engine.changes(spec.workspace, stop.signal)[Symbol.asyncIterator]();
      await changes.next();
      const started = new Set<string>();
      const reading = (async () => {
        for (let next = await changes.next(); !next.done; next = await changes.next())
          for (const name of next.value.started) started.add(name);
      })();
      docker("rm", "--force", `${project}-postgres-1`);
      expect((await engine.status(spec.workspace)).map(({ name }) => name)).not.toContain("postgres");
      await up();
      expect(await engine.status(spec.workspace)).toEqual(allHealthy);
      await expect.poll(() => [...started], { timeout: 10_000 }).toContain("postgres");

      docker("pause", `${project}-platform-1`);
      expect((await engine.status(spec.workspace)).find(({ name }) => name === "platform")?.health).toBe("unhealthy");
      await up();
      docker("stop", `${project}-facebook-1`);
      await up();
      expect(await engine.status(spec.workspace)).toEqual(allHealthy);
      stop.abort();
      await reading;
    },
    2 * minutes,
  );

  test(
    "down keeps the data, and says what it stopped; a second down has nothing to do",
    async () => {
      psql("create table canary (text text); insert into canary values ('kept')");
      events.length = 0;
      await engine.down(spec.workspace, emit);
      expect(lastStatuses(events)).toEqual(allHealthy.map(({ name }) => ({ name, state: "exited", health: "none" })));
      expect(leftOf(project).sort()).toEqual(["edge", "facebook", "postgres"].map((name) => `volume ${project}_${name}`));
      const logs: LogLine[] = [];
      const kept = { service: "platform", tail: 50, follow: false, signal: AbortSignal.timeout(minutes) };
      for await (const line of engine.logs(spec.workspace, kept)) logs.push(line);
      expect(logs.map(({ line }) => line)).toContain("platform is up");
      expect(await engine.status(spec.workspace)).toEqual([]);
      await engine.down(spec.workspace, emit);
    },
    minutes,
  );

  test(
    "names the holder of a port that is taken, and works once it is free",
    async () => {
      const server = net.createServer().listen(spec.ports.platform, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      await expect(up()).rejects.toMatchObject({
        code: "PORT_TAKEN",
        details: { port: spec.ports.platform, holder: expect.stringContaining(`pid ${process.pid}`) },
      });
      await new Promise((resolve) => server.close(resolve));
      await up();
      expect(psql("select text from canary")).toBe("kept");
    },
    2 * minutes,
  );

  test(
    "gives up when it is told to, and leaves nothing that the next start cannot pick up",
    async () => {
      await engine.down(spec.workspace, emit);
      const stop = new AbortController();
      const stopAtPostgres = (event: AiryEventBody): void => {
        if (event.type === "service" && event.service.name === "postgres" && event.service.state === "running")
          stop.abort(new Error("enough"));
      };
      await expect(engine.up(spec, stopAtPostgres, stop.signal)).rejects.toThrow("enough");
      await up();
      expect(await engine.status(spec.workspace)).toEqual(allHealthy);
    },
    2 * minutes,
  );

  test(
    "without a sandbox only the platform and its database run",
    async () => {
      await up({ sandbox: null });
      expect(await engine.status(spec.workspace)).toEqual(allHealthy.slice(0, 2));
    },
    minutes,
  );

  test(
    "destroy deletes everything and says which data",
    async () => {
      events.length = 0;
      await engine.destroy(spec.workspace, emit);
      expect(leftOf(project)).toEqual([]);
      expect(readdirSync(path.join(spec.workspace, ".airy"))).not.toContain("docker");
      expect(events).toContainEqual(expect.objectContaining({ detail: `data volume ${project}_postgres deleted` }));
      expect(events).toContainEqual(expect.objectContaining({ detail: `data volume ${project}_edge deleted` }));
    },
    minutes,
  );
});

describe.skipIf(!hasDocker)("an image that cannot be had", () => {
  test(
    "makes the engine unusable, with the reason, and up fails with it",
    async () => {
      const image = "localhost:1/not-there:1"; // nothing listens there
      const engine = createDocker({ AIRY_POSTGRES_IMAGE: image });
      expect(await engine.facts()).toMatchObject({
        usable: false,
        error: { code: "IMAGE_PULL_FAILED" },
        reason: expect.stringContaining(image),
      });
      const spec = await makeSpec();
      try {
        await expect(engine.up(spec, () => undefined, AbortSignal.timeout(minutes))).rejects.toMatchObject({
          code: "IMAGE_PULL_FAILED",
          details: { image },
        });
      } finally {
        await engine.destroy(spec.workspace, () => undefined);
        rmSync(spec.workspace, { recursive: true, force: true });
      }
    },
    minutes,
  );
});
