import { readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { ask, DOMAIN, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";
import { makeCa, type TestCa } from "../tls/support.ts";

let edge: TestEdge;
let origin: Origin;
let ca: TestCa;
beforeAll(async () => {
  ca = makeCa();
  const listen = { host: "127.0.0.1", port: 0 };
  edge = await openEdge({ admin: listen, https: listen, tls: { mode: "files", ...ca.issue("edge", [`*.${DOMAIN}`]) } });
  origin = await startOrigin((_request, response) => response.end("fine"));
});
afterAll(async () => {
  await edge.close();
  await origin.close();
  ca.remove();
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
  const types = new Map([...text.matchAll(/^# TYPE (\w+) (gauge|counter|histogram)$/gm)].map(([, name, kind]) => [name!, kind]));
  for (const name of types.keys()) expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, "m"));
  const values = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  expect(values.length).toBeGreaterThan(40);
  for (const value of values) {
    const [, name = ""] = /^(\w+)(?:\{[^}]*\})? (?:[\d.e+-]+|Nan)$/.exec(value) ?? [];
    expect([value, types.has(name) || types.has(name.replace(/_(bucket|sum|count)$/, ""))]).toEqual([value, true]);
    if (name.startsWith("airy_")) expect([name, types.get(name) === "counter"]).toEqual([name, name.endsWith("_total")]);
  }
  expect(types.get("process_cpu_seconds_total")).toBe("counter");
});

it("has every metric that the alert rules and the dashboard name", async () => {
  const template = (name: string) => readFileSync(path.resolve(import.meta.dirname, "../../../templates", name), "utf8");
  const { groups } = parse(template("airy-edge.rules.yaml")) as { groups: { rules: { alert: string; expr: string }[] }[] };
  const { panels } = JSON.parse(template("airy-edge-dashboard.json")) as { panels: { targets: { expr: string }[] }[] };
  const expressions = [
    ...groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ];
  const named = new Set(expressions.flatMap((each) => each.match(/\b(airy|process|nodejs)_\w+/g) ?? []));
  expect(named.size).toBeGreaterThan(15);
  const types = new Set([...(await get("/metrics")).text.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name));
  expect([...named].filter((name) => !types.has(name))).toEqual([]);
  // And the other way round: what is ours is on the dashboard.
  const shown = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join();
  expect([...types].filter((name) => name?.startsWith("airy_") && !shown.includes(name))).toEqual([]);
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
