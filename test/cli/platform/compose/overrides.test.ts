/** What services are told where the engine is of another kind than usual. */
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import type { Engine } from "../../../../cli/docker/engine.ts";
import { writeProject } from "../../../../cli/platform/compose/project.ts";
import type { PlatformSpec } from "../../../../cli/platform/platform.ts";
import { makeSpec } from "./spec.ts";

const composeDir = path.resolve(import.meta.dirname, "../../../../compose");
const engine: Engine = {
  endpoint: "unix:///x",
  id: "x",
  kind: "docker",
  version: "20.10.24",
  architecture: "x86_64",
  memoryMb: null,
  rootless: false,
  userns: false,
  ask: async () => null,
};

async function overridesOf(change: Partial<Engine>, core: PlatformSpec["core"]): Promise<Record<string, object> | null> {
  const base = await makeSpec();
  const secrets = { ...base.secrets, platformSecret: "secret" };
  const spec = { ...base, secrets, ...(core && { core }), sandbox: core ? null : base.sandbox };
  const images = { node: "node", postgres: "postgres", own: "airy", build: false };
  try {
    const project = await writeProject({
      spec,
      images,
      coreImages: new Map(),
      user: "1:1",
      engine: { ...engine, ...change },
      composeDir,
    });
    const file = project.args.find((arg) => arg.endsWith("engine.json"));
    return file ? JSON.parse(readFileSync(file, "utf8")).services : null;
  } finally {
    await rm(spec.workspace, { recursive: true, force: true });
  }
}

const core = { profiles: [], variables: {}, resign: false };
const often = { healthcheck: { start_interval: "300ms" } };
const host = { userns_mode: "host" };

test("the usual engine is told nothing; one that can check often does, for the services that check themselves", async () => {
  expect(await overridesOf({}, undefined)).toBeNull();
  expect(await overridesOf({ version: "28.2.2" }, undefined)).toEqual({ postgres: often, platform: often, edge: often, facebook: often });
  expect(await overridesOf({ version: "28.2.2" }, core)).toBeNull();
});

test("with remapped users, whoever reads our files is nobody else; of Airy's that is gateway and topics", async () => {
  expect(await overridesOf({ userns: true }, undefined)).toEqual({ postgres: host, platform: host, edge: host, facebook: host });
  expect(await overridesOf({ userns: true }, core)).toEqual({ gateway: host, topics: host });
});
