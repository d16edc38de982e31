/** What the tunnel answers in place of the local service: seen from outside, through a real edge. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { signatureHeaders } from "../../../compose/facebook/contract.ts";
import { Gate, type GateConfig } from "../../../cli/tunnel/gate.ts";
import type { ServiceChange } from "../../../cli/tunnel/services.ts";
import { ask, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge, type TestTunnel } from "../../support/edge.ts";

let edge: TestEdge;
let origin: Origin;
let tunnels: TestTunnel[] = [];
let seen: { method: string; url: string; body: string }[] = [];
beforeEach(async () => {
  seen = [];
  edge = await openEdge();
  origin = await startOrigin(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    seen.push({ method: request.method ?? "", url: request.url ?? "", body: Buffer.concat(chunks).toString("latin1") });
    response.end("fine");
  });
});
afterEach(async () => {
  for (const { tunnel } of tunnels) await tunnel.close();
  tunnels = [];
  await edge.close();
  await origin.close();
});

async function open(gate: Partial<GateConfig>, change: Parameters<typeof openTunnel>[2] = {}) {
  const made = await openTunnel(edge, origin.port, { gate: new Gate({ verify: null, fail: null, ...gate }), ...change });
  tunnels.push(made);
  return made;
}

const SECRETS = ["new secret", "old secret"];
// Bytes that are no UTF-8, so that nothing may read them as text.
const BODY = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x0d, 0x0a, 0x22, 0x7d]);
const signed = (secret: string, body = BODY) => ({ "x-hub-signature-256": signatureHeaders(secret, body)["x-hub-signature-256"] });
const older = (secret: string) => ({ "x-hub-signature": signatureHeaders(secret, BODY)["x-hub-signature"] });

it("lets through what one of the secrets has signed, and nothing else reaches the local service", async () => {
  const { host } = await open({ verify: { secrets: SECRETS, sha1: false } });
  const post = async (headers: Record<string, string>, body: Buffer | string = BODY) =>
    (await ask(edge.httpPort, { host, method: "POST", path: "/hook", headers, body })).status;
  expect(await post(signed("new secret"))).toBe(200);
  expect(await post({ ...signed("old secret"), "transfer-encoding": "chunked" })).toBe(200);
  expect(seen.map(({ body }) => body)).toEqual([BODY.toString("latin1"), BODY.toString("latin1")]);
  const empty = signed("new secret", Buffer.alloc(0));
  expect(await post(empty, "")).toBe(200);
  seen = [];
  expect(await post({})).toBe(401);
  expect(await post(signed("another"))).toBe(401);
  expect(await post(signed("new secret"), Buffer.concat([BODY, Buffer.from(" ")]))).toBe(401);
  expect(await post(older("new secret"))).toBe(401);
  // The stronger one decides, whatever the other says.
  expect(await post({ ...signed("another"), ...older("new secret") })).toBe(401);
  expect(await post({ "x-hub-signature-256": "" })).toBe(401);
  const twice = ["X-Hub-Signature-256", "sha256=00", "X-Hub-Signature-256", signed("new secret")["x-hub-signature-256"]];
  expect((await ask(edge.httpPort, { host, method: "POST", headers: [...twice, "Content-Length", "8"], body: BODY })).status).toBe(401);
  expect(seen).toEqual([]);
});

it("lets Meta verify the webhook, and nobody look around", async () => {
  const { host } = await open({ verify: { secrets: SECRETS, sha1: false } });
  const get = async (path: string, method = "GET") => (await ask(edge.httpPort, { host, path, method })).status;
  expect(await get("/hook?hub.mode=subscribe&hub.challenge=1&hub.verify_token=t")).toBe(200);
  expect(await get("/hook")).toBe(401);
  expect(await get("/hook?hub.mode=subscribe&hub.challenge=1", "DELETE")).toBe(401);
  expect(seen).toHaveLength(1);
});

it("takes SHA-1 where it is told to", async () => {
  const { host } = await open({ verify: { secrets: SECRETS, sha1: true } });
  const post = async (headers: Record<string, string>) => (await ask(edge.httpPort, { host, method: "POST", headers, body: BODY })).status;
  expect(await post(older("old secret"))).toBe(200);
  expect(await post({ ...signed("another"), ...older("old secret") })).toBe(401);
});

it("takes no body without an end", async () => {
  const { host } = await open({ verify: { secrets: SECRETS, sha1: false } });
  const body = Buffer.alloc(5 * 1024 * 1024);
  expect((await ask(edge.httpPort, { host, method: "POST", headers: signed("new secret", body), body })).status).toBe(413);
  expect(seen).toEqual([]);
});

it("rehearses a failure for its time, counted from the opening of the tunnel", async () => {
  const gate = new Gate({ verify: null, fail: { status: 503, forMs: 60_000 } });
  const { host } = await open({}, { gate });
  const start = Date.now();
  gate.open(start);
  const answer = await ask(edge.httpPort, { host, method: "POST", body: "x" });
  expect(answer.status).toBe(503);
  expect(seen).toEqual([]);
  const head = { method: "POST", target: "/", headers: [], end: false, upgrade: false } as unknown as Parameters<Gate["withHead"]>[0];
  expect(gate.withHead(head, start + 59_999)).toMatchObject({ status: 503 });
  expect(gate.withHead(head, start + 60_000)).toBe(null);
});

it("says once that the local service is down, and that it is back", async () => {
  const changes: ServiceChange[] = [];
  const { host } = await open({}, { onService: (change) => changes.push(change) });
  const { port } = origin;
  await origin.close();
  for (let i = 0; i < 3; i++) expect((await ask(edge.httpPort, { host })).status).toBe(502);
  expect(changes).toMatchObject([{ up: false, reason: "ECONNREFUSED" }]);
  const { createServer } = await import("node:http");
  const again = createServer((_request, response) => response.end("back"));
  await new Promise<void>((resolve) => again.listen(port, "127.0.0.1", resolve));
  expect((await ask(edge.httpPort, { host })).text).toBe("back");
  await until("the change", () => changes.length === 2);
  expect(changes[1]).toMatchObject({ up: true });
  again.closeAllConnections();
  await new Promise((resolve) => again.close(resolve));
});
