import http from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ask, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";

let edge: TestEdge;
let origin: Origin;
beforeAll(async () => {
  edge = await openEdge({ admin: { host: "127.0.0.1", port: 0 } });
  origin = await startOrigin((_request, response) => response.end("fine"));
});
afterAll(async () => {
  await edge.close();
  await origin.close();
});

function get(path: string, method = "GET"): Promise<{ status: number; text: string; type: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port: edge.edge.adminPort!, path, method, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode!, text, type: response.headers["content-type"]! }));
    });
    request.on("error", reject);
    request.end();
  });
}

async function metric(name: string): Promise<number> {
  const { text } = await get("/metrics");
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

it("is alive at once, and ready when a request has passed through a tunnel", async () => {
  expect(await get("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
  await until("readiness", async () => (await get("/readyz")).status === 200);
});

it("answers nothing else", async () => {
  expect((await get("/")).status).toBe(404);
  expect((await get("/metrics/../x")).status).toBe(404);
  expect((await get("/metrics", "POST")).status).toBe(405);
});

it("counts in Prometheus' format: every name has its help and type, and a number", async () => {
  const { text, type } = await get("/metrics");
  expect(type).toContain("version=0.0.4");
  const lines = text.trimEnd().split("\n");
  expect(lines.length % 3).toBe(0);
  for (let i = 0; i < lines.length; i += 3) {
    const name = /^# HELP (\w+) \S/.exec(lines[i]!)?.[1];
    expect(lines[i + 1]).toMatch(new RegExp(`^# TYPE ${name} (gauge|counter)$`));
    expect(lines[i + 2]).toMatch(new RegExp(`^${name} \\d+(\\.\\d+)?$`));
  }
});

it("follows tunnels and requests", async () => {
  await until("the probe's tunnel", async () => (await metric("airy_edge_tunnels")) >= 1);
  const before = { tunnels: await metric("airy_edge_tunnels"), requests: await metric("airy_edge_requests_total") };
  let finish = () => {};
  const slow = await startOrigin((_request, response) => {
    finish = () => response.end("slow");
  });
  const { tunnel, host } = await openTunnel(edge, slow.port);
  expect(await metric("airy_edge_tunnels")).toBe(before.tunnels + 1);
  const asked = new Promise((resolve) => slow.server.once("request", resolve));
  const answer = ask(edge.httpPort, { host });
  await asked;
  expect(await metric("airy_edge_requests_in_flight")).toBeGreaterThanOrEqual(1);
  finish();
  await answer;
  const refused = await metric("airy_edge_requests_refused_total");
  await ask(edge.httpPort, { host: "nobody.tunnel.localhost" });
  expect(await metric("airy_edge_requests_refused_total")).toBe(refused + 1);
  expect(await metric("airy_edge_requests_total")).toBeGreaterThanOrEqual(before.requests + 2);
  await tunnel.close();
  await until("the tunnel to go", async () => (await metric("airy_edge_tunnels")) === before.tunnels);
  await slow.close();
});
