/** What happens beneath a workspace that runs with docker: another engine answers, none does, its folder is moved, its state deleted. */
import { readFileSync, renameSync, rmSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StatusData } from "../../cli/events.ts";
import { airy, type Ended } from "../support/airy.ts";
import { docker, hasDocker } from "../support/docker.ts";
import { openLeakScope, type LeakScope } from "../support/leaks.ts";
import { rememberPorts } from "../support/ports.ts";

const minutes = 60_000;
const up = ["up", "--sandbox", "--yes", "--engine", "docker"];

describe.skipIf(!hasDocker)("beneath the docker engine's feet", () => {
  let scope: LeakScope;
  const opened: net.Server[] = [];
  const read = (file: string): unknown => JSON.parse(readFileSync(path.join(scope.workspace, ".airy", file), "utf8"));
  const project = (): string => `airy-${(read("workspace.json") as { name: string }).name}`;
  const running = (name: string): string[] =>
    docker("ps", "--filter", `label=com.docker.compose.project=${name}`, "--format", "{{.Names}}").split("\n").filter(Boolean);
  const agentPid = (): number => (read("agent.json") as { pid: number }).pid;
  const code = (run: Ended): string | undefined => run.envelope.error?.code;

  function succeeded(run: Ended): StatusData {
    expect(run, `${run.stderr}${run.stdout}`).toMatchObject({ code: 0, envelope: { status: "ok" } });
    return run.envelope.data as StatusData;
  }

  async function messages(): Promise<number> {
    return Number(docker("exec", `${project()}-postgres-1`, "psql", "-U", "airy", "-At", "-c", "select count(*) from message"));
  }

  async function listen(server: net.Server, file: string): Promise<string> {
    opened.push(server);
    await new Promise<void>((resolve) => server.listen(file, resolve));
    return `unix://${file}`;
  }

  beforeAll(async () => {
    scope = await openLeakScope("underneath");
    await rememberPorts(scope.workspace);
    succeeded(await airy(scope, up));
    succeeded(await airy(scope, ["trigger", "message"]));
  }, 3 * minutes);

  afterAll(async () => {
    for (const server of opened) server.close();
    await airy(scope, ["destroy", "--yes"]);
    expect(await scope.settled()).toEqual([]);
    await scope.close();
  }, minutes);

  test(
    "another engine that answers is left alone, and what runs on the first goes on",
    async () => {
      const answers: Record<string, unknown> = { "/info": { ID: "another", ServerVersion: "20.10.24" }, "/version": {} };
      const other = http.createServer((req, res) => {
        const known = answers[(req.url ?? "").split("?")[0]!];
        res.writeHead(known ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(known ?? { message: "nothing" }));
      });
      const env = { DOCKER_HOST: await listen(other, path.join(scope.root, "other.sock")) };
      const before = [agentPid(), ...running(project())];
      for (const args of [["down"], ["destroy", "--yes"]]) expect(code(await airy(scope, args, env))).toBe("ENGINE_ELSEWHERE");
      expect([agentPid(), ...running(project())]).toEqual(before);
      succeeded(await airy(scope, ["status"]));
    },
    minutes,
  );

  test(
    "without an answer from the engine nothing is ended, and nothing is called stopped",
    async () => {
      const env = { DOCKER_HOST: `unix://${path.join(scope.root, "nobody.sock")}` };
      for (const args of [["down"], ["destroy", "--yes"]]) {
        const run = await airy(scope, args, env);
        expect(code(run)).toBe("DOCKER_DOWN");
        expect(run.envelope.error?.actions.join()).not.toContain("embedded");
      }
      succeeded(await airy(scope, ["status"]));
      process.kill(agentPid(), "SIGKILL");
      const status = await airy(scope, ["status"], env);
      expect(status).toMatchObject({ code: 31, envelope: { data: { state: "degraded" }, warnings: [{ code: "DOCKER_DOWN" }] } });
      expect((await airy(scope, ["logs", "--tail", "5"], env)).envelope).toMatchObject({
        status: "ok",
        warnings: [{ code: "DOCKER_DOWN" }],
      });
      succeeded(await airy(scope, up));
    },
    2 * minutes,
  );

  test(
    "a folder that was moved keeps its project and its messages",
    async () => {
      const before = [project(), await messages()];
      const moved = `${scope.workspace}-moved`;
      renameSync(scope.workspace, moved);
      const elsewhere = { ...scope, workspace: moved };
      succeeded(await airy(elsewhere, up));
      succeeded(await airy(elsewhere, ["down"]));
      renameSync(moved, scope.workspace);
      succeeded(await airy(scope, up));
      expect([project(), await messages()]).toEqual(before);
    },
    3 * minutes,
  );

  test(
    "a state that was deleted: the messages of before are named, and used when the user says so",
    async () => {
      const before = [project(), await messages()];
      const pid = agentPid();
      rmSync(path.join(scope.workspace, ".airy"), { recursive: true });
      const refused = await airy(scope, up);
      expect(code(refused)).toBe("DATA_OF_BEFORE");
      expect(refused.envelope.error?.details).toMatchObject({ volume: `${before[0]}_postgres` });
      await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
      succeeded(await airy(scope, [...up, "--adopt"]));
      expect([project(), await messages()]).toEqual(before);
    },
    3 * minutes,
  );
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
