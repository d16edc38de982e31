/** Machines where the docker engine cannot be used, with a `docker` of our own that answers as such a machine's would. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { errorBody } from "../../../../cli/errors.ts";
import { createDocker } from "./spec.ts";

let bin: string;
let pathBefore: string | undefined;

beforeEach(() => {
  bin = mkdtempSync(path.join(os.tmpdir(), "airy-bin-"));
  pathBefore = process.env.PATH;
  process.env.PATH = bin;
});

afterEach(() => {
  process.env.PATH = pathBefore;
  rmSync(bin, { recursive: true });
});

function installDocker(answers: { endpoint?: string; compose?: string | null }): void {
  const compose =
    answers.compose === null ? "echo \"docker: 'compose' is not a docker command.\" >&2; exit 1" : `echo ${answers.compose ?? "2.40.3"}`;
  const script = `#!/bin/sh\ncase "$1" in\ncontext) echo ${answers.endpoint ?? ""} ;;\ncompose) ${compose} ;;\n*) exit 1 ;;\nesac\n`;
  writeFileSync(path.join(bin, "docker"), script, { mode: 0o755 });
}

/** An engine that knows its version, its machine where one is named, and those images that `has` says. */
async function startEngine(has: RegExp | null = null, Architecture?: string): Promise<{ endpoint: string; close: () => void }> {
  const server = http.createServer((req, res) => {
    const info = req.url === "/info";
    const known = info || has?.test(decodeURIComponent(req.url ?? ""));
    res.writeHead(known ? 200 : 404, { "content-type": "application/json" });
    res.end(
      JSON.stringify(
        info ? { ServerVersion: "20.10.24", Architecture, MemTotal: 3e9 } : known ? { Id: "sha256:1" } : { message: "no such image" },
      ),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { endpoint: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

describe("the docker engine is not usable", () => {
  test("where docker is not installed", async () => {
    expect(await createDocker().facts()).toMatchObject({
      usable: false,
      error: { code: "DOCKER_DOWN" },
      reason: expect.stringContaining("not found"),
    });
  });

  test("where nothing listens at its socket", async () => {
    installDocker({ endpoint: `unix://${bin}/docker.sock` });
    expect(await createDocker().facts()).toMatchObject({
      usable: false,
      error: { code: "DOCKER_DOWN" },
      reason: expect.stringContaining(`${bin}/docker.sock`),
    });
  });

  test.each(["ssh://somebody@server", "tcp://192.0.2.1:2376", "http://engine.example"])(
    "where its context is remote: %s",
    async (endpoint) => {
      installDocker({ endpoint });
      const facts = await createDocker().facts();
      expect(facts).toMatchObject({ usable: false, error: { code: "DOCKER_REMOTE" } });
    },
  );

  test("without Compose", async () => {
    const engine = await startEngine();
    installDocker({ endpoint: engine.endpoint, compose: null });
    expect(await createDocker().facts()).toMatchObject({
      usable: false,
      reason: expect.stringContaining("docker: 'compose' is not a docker command."),
      error: { code: "COMPOSE_MISSING" },
    });
    engine.close();
  });

  test.each(["2.19.1", "v1.29.2"])("with Compose %s", async (compose) => {
    const engine = await startEngine();
    installDocker({ endpoint: engine.endpoint, compose });
    expect(await createDocker().facts()).toMatchObject({
      usable: false,
      error: { code: "COMPOSE_TOO_OLD" },
      reason: expect.stringContaining("2.20"),
    });
    engine.close();
  });

  test("without images that are here or at a registry", async () => {
    const engine = await startEngine();
    installDocker({ endpoint: engine.endpoint, compose: "v2.20.2" });
    const facts = await createDocker({ AIRY_POSTGRES_IMAGE: "example/postgres:17" }).facts();
    expect(facts).toMatchObject({
      usable: false,
      error: { code: "IMAGE_PULL_FAILED" },
      reason: expect.stringContaining("example/postgres:17"),
    });
    engine.close();
  });
});

describe("Airy Core", () => {
  const core = { profiles: ["facebook" as const], sandbox: false };

  test("cannot be used where some of its images cannot be had; each of these is named once", async () => {
    const engine = await startEngine(/\/images\/(ghcr\.io\/airyhq\/(api|infrastructure|frontend|components)|nginx)/);
    installDocker({ endpoint: engine.endpoint });
    const facts = await createDocker({}, core).facts();
    engine.close();
    if (facts.usable) throw new Error("it is usable");
    expect(facts.error.code).toBe("IMAGES_MISSING");
    const said = JSON.stringify(errorBody(facts.error));
    for (const name of ["sources/facebook-connector:0.49.0", "sources/facebook-events-router:0.56.0"]) {
      expect(facts.error.message.split(name)).toHaveLength(2);
    }
    expect(facts.error.message).toContain("2 of the 12 images");
    expect(said).not.toContain("viber");
  });

  test.each([
    ["aarch64", ["architecture", "engine-memory"]],
    ["x86_64", ["engine-memory"]],
    [undefined, ["engine-memory"]],
  ])("on %s with 3 GB, what is said before a start: %s", async (architecture, said) => {
    const engine = await startEngine(/images/, architecture);
    installDocker({ endpoint: engine.endpoint });
    const facts = await createDocker({}, core).facts();
    const basic = await createDocker({ AIRY_POSTGRES_IMAGE: "postgres", AIRY_IMAGE: "airy" }).facts();
    engine.close();
    expect(facts).toMatchObject({ usable: true });
    expect(facts.usable && facts.cautions.map(({ id }) => id)).toEqual(said);
    expect(basic).toMatchObject({ usable: true, cautions: [] });
  });
});
