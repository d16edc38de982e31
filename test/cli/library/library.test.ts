/** The package as others use it: imported by its name from the bundle. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import type * as api from "../../../cli/library/api.ts";
import { ask, openEdge, startOrigin, until } from "../../support/edge.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const { startAgent } = (await import(path.join(root, "dist/library.js"))) as typeof api;

it("opens a tunnel, tells what happens, and closes it", async () => {
  const edge = await openEdge();
  const origin = await startOrigin((_request, response) => response.end("got it"));
  try {
    const agent = await startAgent({
      target: origin.port,
      edge: `127.0.0.1:${edge.sshPort}`,
      edgeKey: edge.edge.hostKey,
      paths: ["/hook"],
    });
    const requests: api.AgentRequest[] = [];
    agent.on("request", (request) => requests.push(request));
    const { host } = new URL(agent.url);
    expect((await ask(edge.httpPort, { host, path: "/hook", method: "POST" })).text).toBe("got it");
    expect((await ask(edge.httpPort, { host, path: "/" })).status).toBe(404);
    await until("the events", () => requests.length === 2);
    expect(requests[0]).toMatchObject({ method: "POST", path: "/hook", status: 200 });
    await agent.close();
    expect(await agent.closed).toBe(null);
    await expect(startAgent({ target: "nonsense" })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const nobody = startAgent({ target: 1, edge: "127.0.0.1:1", edgeKey: edge.edge.hostKey, signal: AbortSignal.timeout(300) });
    await expect(nobody).rejects.toMatchObject({ code: "INTERRUPTED" });
  } finally {
    await origin.close();
    await edge.close();
  }
});

it("has types that a strict program of somebody else's compiles with", async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-library-"));
  try {
    await mkdir(`${dir}/node_modules/@types`, { recursive: true });
    await symlink(root, `${dir}/node_modules/airy-up`);
    await symlink(`${root}/node_modules/@types/node`, `${dir}/node_modules/@types/node`);
    await writeFile(
      `${dir}/use.ts`,
      `import { startAgent } from "airy-up";\nconst agent = await startAgent({ target: 3000 });\nagent.on("request", ({ status }) => status.toFixed());\n`,
    );
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--lib", "esnext", "--types", "node"];
    await writeFile(`${dir}/package.json`, '{"type":"module"}');
    const compile = (): string =>
      execFileSync(process.execPath, [`${root}/node_modules/typescript/bin/tsc`, ...options, "use.ts"], { cwd: dir, encoding: "utf8" });
    expect(compile()).toBe("");
    await writeFile(`${dir}/use.ts`, `import { startAgent } from "airy-up";\nawait startAgent({ target: true });\n`);
    expect(compile).toThrow();
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
