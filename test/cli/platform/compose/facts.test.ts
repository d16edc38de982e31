/** Machines where the docker engine cannot be used, with a `docker` of our own that answers as such a machine's would. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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

/** An engine that knows its version and no image. */
async function startEngine(): Promise<{ endpoint: string; close: () => void }> {
  const server = http.createServer((req, res) => {
    const known = req.url === "/info";
    res.writeHead(known ? 200 : 404, { "content-type": "application/json" });
    res.end(JSON.stringify(known ? { ServerVersion: "20.10.24" } : { message: "no such image" }));
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
