/** What the operator is told: readiness that has been seen. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { startEdge } from "../../../edge/index.ts";
import { createHttpClient } from "../../../cli/io/http.ts";

const http = createHttpClient();

test("ready only when a request has passed through listener, tunnel and back; metrics count; stopping is not ready", async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-admin-"));
  const any = { host: "127.0.0.1", port: 0 };
  const edge = await startEdge({
    domain: "t.example",
    ssh: any,
    http: any,
    admin: any,
    dataDir: dir,
    hostKey: null,
    publicPort: null,
    log: () => {},
  });
  const admin = (target: string) => http({ url: `http://127.0.0.1:${edge.adminPort}${target}` });
  expect((await admin("/healthz")).status).toBe(200);
  await vi.waitFor(async () => expect((await admin("/readyz")).body.toString()).toBe("ready\n"), { timeout: 10_000 });
  const metrics = (await admin("/metrics")).body.toString();
  expect(metrics).toMatch(/^airy_edge_requests_total [1-9]/m);
  expect(metrics).toMatch(/^airy_edge_held_webhooks 0$/m);
  expect((await admin("/elsewhere")).status).toBe(404);
  await edge.close(0);
  await expect(admin("/healthz")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await rm(dir, { recursive: true, force: true });
});

test("the probe finds listeners that are bound to another address of this machine", async () => {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-admin-"));
  const any = { host: "127.0.0.1", port: 0 };
  const edge = await startEdge({
    domain: "t.example",
    ssh: any,
    http: { host: "127.0.0.2", port: 0 },
    admin: any,
    dataDir: dir,
    hostKey: null,
    publicPort: null,
    log: () => {},
  });
  await vi.waitFor(async () => expect((await http({ url: `http://127.0.0.1:${edge.adminPort}/readyz` })).status).toBe(200), {
    timeout: 10_000,
  });
  await edge.close(0);
  await rm(dir, { recursive: true, force: true });
});
