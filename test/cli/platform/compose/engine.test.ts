/** Engines that this machine does not have, played by a server that answers as they do: podman, a registry that is slow or silent. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { connectEngine, type Engine } from "../../../../cli/docker/engine.ts";
import { observeContainers } from "../../../../cli/platform/compose/containers.ts";
import { removeOldImages } from "../../../../cli/platform/compose/image.ts";
import { pull } from "../../../../cli/platform/compose/pull.ts";

type Answer = (req: http.IncomingMessage, res: http.ServerResponse) => void;

const json =
  (value: unknown): Answer =>
  (_, res) =>
    void res.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));

const opened: http.Server[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** @param answers by method and path, without the query; 404 for all else. */
async function play(answers: Record<string, Answer>): Promise<Engine> {
  const server = http.createServer((req, res) => {
    const answer = answers[`${req.method} ${(req.url ?? "").split("?")[0]}`];
    if (answer) return answer(req, res);
    res.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify({ message: "not here" }));
  });
  opened.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return connectEngine({ env: { DOCKER_HOST: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}` }, os: process.platform });
}

const docker = { "GET /info": json({ ID: "one", ServerVersion: "20.10.24" }), "GET /version": json({ Components: [{ Name: "Engine" }] }) };
const podman = {
  "GET /info": json({ ID: "made up for this question", ServerVersion: "4.3.1", SecurityOptions: ["name=rootless"] }),
  "GET /version": json({ Components: [{ Name: "Podman Engine" }] }),
};

describe("podman", () => {
  test("is told apart, and known by where it listens", async () => {
    const engine = await play(podman);
    expect(engine).toMatchObject({ kind: "podman", rootless: true, version: "4.3.1", id: engine.endpoint });
    expect(await play(docker)).toMatchObject({ kind: "docker", rootless: false, id: "one" });
  });

  test("has health where the list has none; what it has not checked is checked by us", async () => {
    const labels = (service: string) => ({ "com.docker.compose.service": service, "com.docker.compose.project": "p" });
    const container = (service: string, health: string) =>
      json({
        Id: service,
        State: { Status: "running", ExitCode: 0, Health: { Status: health, Log: null } },
        Config: { Labels: labels(service), Healthcheck: { Test: ["CMD", "check", service] } },
      });
    const engine = await play({
      ...podman,
      "GET /containers/json": json(
        ["postgres", "platform", "edge"].map((Id) => ({ Id, State: "running", Status: "Up 15 seconds", Labels: labels(Id) })),
      ),
      "GET /containers/postgres/json": container("postgres", "healthy"),
      "GET /containers/platform/json": container("platform", "starting"),
      "GET /containers/edge/json": container("edge", "starting"),
      "POST /containers/platform/exec": json({ Id: "passes" }),
      "POST /containers/edge/exec": json({ Id: "fails" }),
      "POST /exec/passes/start": (_, res) => void res.writeHead(200).end(),
      "POST /exec/fails/start": (_, res) => void res.writeHead(200).end(),
      "GET /exec/passes/json": json({ ExitCode: 0 }),
      "GET /exec/fails/json": json({ ExitCode: 1 }),
    });
    const seen = await observeContainers(engine, "p");
    expect(seen.map(({ service, status }) => `${service} ${status.health}`)).toEqual([
      "postgres healthy",
      "platform healthy",
      "edge starting",
    ]);
  });

  test("shows our own image under another name, and it is kept all the same", async () => {
    const removed: string[] = [];
    const engine = await play({
      ...podman,
      "GET /images/airy-up:new/json": json({ Id: "sha256:new", RepoTags: ["localhost/airy-up:new"] }),
      "GET /images/json": json([{ Id: "sha256:new", RepoTags: ["localhost/airy-up:new"] }, { Id: "sha256:old" }]),
      "DELETE /images/sha256:old": (req, res) => {
        removed.push(req.url ?? "");
        res.writeHead(200, { "content-type": "application/json" }).end("[]");
      },
    });
    await removeOldImages(engine, "airy-up:new");
    expect(removed).toEqual(["/images/sha256:old"]);
  });
});

describe("a pull", () => {
  const never = new AbortController().signal;

  test("says how much of how much has come, over all layers", async () => {
    const engine = await play({
      ...docker,
      "POST /images/create": (req, res) => {
        expect(req.url).toContain("fromImage=postgres&tag=17");
        const layer = (id: string, current: number) => ({ id, status: "Downloading", progressDetail: { current, total: 40_000_000 } });
        for (const step of [{ status: "Pulling" }, layer("a", 10_000_000), layer("b", 1)]) res.write(`${JSON.stringify(step)}\r\n`);
        setTimeout(
          () => res.end(`${JSON.stringify(layer("b", 20_000_000))}\n${JSON.stringify({ id: "a", status: "Pull complete" })}\n`),
          1100,
        );
      },
    });
    const said: string[] = [];
    await pull(engine, "postgres:17", never, (text) => said.push(text));
    expect(said).toEqual(["10.0 of 40.0 MB", expect.stringMatching(/^30\.0 of 80\.0 MB, 1?\d\.\d MB\/s$/)]);
  });

  test("fails with the registry's words, and ends when it is told to", async () => {
    const refusing = await play({
      ...docker,
      "POST /images/create": (_, res) => void res.writeHead(200).end(`${JSON.stringify({ error: "manifest unknown" })}\n`),
    });
    await expect(pull(refusing, "a/b", never, () => {})).rejects.toMatchObject({
      code: "IMAGE_PULL_FAILED",
      details: { reason: "manifest unknown" },
    });
    const silent = await play({ ...docker, "POST /images/create": (_, res) => void res.writeHead(200).write("\n") });
    const stop = new AbortController();
    const pulling = pull(silent, "a/b:1", stop.signal, () => {});
    setTimeout(() => stop.abort(new Error("enough")), 50);
    await expect(pulling).rejects.toThrow("enough");
  });
});
