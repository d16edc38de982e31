/** Meta's signature is checked before Airy Core's gateway, and computed anew for the connectors that want their own. */
import { createServer, request, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { airySignature, startSignatureGate, type SignatureGate } from "../../../cli/agent/signature-gate.ts";
import { signatureHeaders } from "../../../compose/facebook/contract.ts";

// Vectors that were computed independently of this code: escaped as on Meta's wire, 240 bytes.
const secret = "test_app_secret";
const body = Buffer.from(
  String.raw`{"object":"page","entry":[{"id":"1001","time":1700000000000,"messaging":[{"sender":{"id":"2002"},"recipient":{"id":"1001"},` +
    String.raw`"timestamp":1700000000000,"message":{"mid":"m_1","text":"\u00e4\u00f6\u00e5 \ud83d\udc4b https:\/\/example.com"}}]}]}`,
);
const sha256 = "sha256=2478020ad91eb728a0616abd2165a1834dd9063bfb10442c017aaefc2499dd27";
const sha1 = "sha1=a17ced7234aac1750fea9b9944de3f4d3b14f80d";
const airys = "sha1=9aa149baebfad69b410498f2292179fae6fce6ea";

interface Seen {
  url: string;
  method: string;
  headers: IncomingHttpHeaders;
  body: string;
}

let gateway: Server;
let port: number;
const seen: Seen[] = [];
let gate: SignatureGate | null = null;

beforeAll(async () => {
  gateway = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      seen.push({ url: req.url ?? "", method: req.method ?? "", headers: req.headers, body: Buffer.concat(chunks).toString() });
      res.writeHead(200, { "x-from": "platform" }).end("ok");
    });
  });
  await new Promise<void>((resolve) => gateway.listen(0, "127.0.0.1", resolve));
  ({ port } = gateway.address() as AddressInfo);
});
beforeEach(() => seen.splice(0));
afterEach(() => gate?.close());
afterAll(() => {
  gateway.closeAllConnections();
  gateway.close();
});

async function start(options: { resign?: boolean; appSecret?: string | null } = {}): Promise<void> {
  const { resign = false, appSecret = secret } = options;
  gate = await startSignatureGate({ port, token: "gate-token", appSecret, resign, others: ["/twilio", "/viber"] });
}

type Headers = Record<string, string | string[]>;

async function send(path: string, headers: Headers = {}, bytes: Buffer = body, method = "POST"): Promise<number> {
  return new Promise((resolve, reject) => {
    const host = { host: "abc.tunnel.airy.co", "x-forwarded-proto": "https", ...headers };
    const req = request({ host: "127.0.0.1", port: gate?.port, path, method, headers: host }, (res) => {
      res.resume().on("end", () => resolve(res.statusCode ?? 0));
    });
    req.on("error", reject).end(method === "GET" ? undefined : bytes);
  });
}

test("the vectors are ours as well", () => {
  expect(body).toHaveLength(240);
  expect(signatureHeaders(secret, body)).toEqual({ "x-hub-signature-256": sha256, "x-hub-signature": sha1 });
  expect(airySignature(secret, body)).toBe(airys);
});

test("what Meta has signed passes byte for byte, by either header", async () => {
  await start();
  expect(await send("/facebook", { "x-hub-signature-256": sha256, "x-hub-signature": sha1, "Airy-Gate": "forged" })).toBe(200);
  expect(await send("/facebook", { "x-hub-signature": sha1 })).toBe(200);
  for (const one of seen) {
    expect(one).toMatchObject({ url: "/facebook", method: "POST", body: body.toString() });
    expect(one.headers).toMatchObject({
      host: "abc.tunnel.airy.co",
      "x-forwarded-proto": "https",
      "airy-gate": "gate-token",
      "x-hub-signature": sha1,
    });
  }
  expect(seen).toHaveLength(2);
});

test("a connector with a formula of its own gets its own, and what Meta has not signed does not get there", async () => {
  await start({ resign: true });
  expect(await send("/facebook", { "x-hub-signature-256": sha256, "x-hub-signature": sha1 })).toBe(200);
  expect(await send("/facebook", { "x-hub-signature-256": sha256 })).toBe(200);
  expect(seen.map(({ headers }) => headers["x-hub-signature"])).toEqual([airys, airys]);
  expect(await send("/facebook", { "x-hub-signature": airys })).toBe(401);
  expect(seen).toHaveLength(2);
});

test.each<[string, Headers, Buffer]>([
  ["no signature", {}, body],
  ["a wrong one", { "x-hub-signature-256": sha256.replace("2478", "2479") }, body],
  ["a right one of the older kind beside a wrong one", { "x-hub-signature-256": "sha256=0", "x-hub-signature": sha1 }, body],
  ["Airy's formula", { "x-hub-signature": airys }, body],
  ["one byte more", { "x-hub-signature-256": sha256 }, Buffer.concat([body, Buffer.from(" ")])],
  ["two of them", { "x-hub-signature-256": [sha256, sha256] }, body],
  ["an empty one", { "x-hub-signature-256": "" }, body],
])("%s is refused", async (_, headers, bytes) => {
  await start();
  expect(await send("/facebook", headers, bytes)).toBe(401);
  expect(seen).toEqual([]);
});

test("the check cannot be gone around by writing the path in another way, or with another method", async () => {
  await start();
  for (const path of [
    "/Facebook",
    "/%66acebook",
    "//facebook",
    "/twilio/../facebook",
    "/viber/..%2ffacebook",
    "/viber//../facebook",
    "/facebook?a=/viber",
    "/viber;/../facebook",
  ]) {
    expect([path, await send(path)]).toEqual([path, 401]);
  }
  expect(await send("/facebook", {}, body, "PUT")).toBe(401);
  expect(seen).toEqual([]);
});

test("the handshake and other sources' deliveries pass as they are", async () => {
  await start();
  expect(await send("/facebook?hub.mode=subscribe&hub.challenge=1&hub.verify_token=t", {}, body, "GET")).toBe(200);
  expect(await send("/twilio?x=1", { "x-twilio-signature": "abc=" }, Buffer.from("From=%2B1&Body=a+b"))).toBe(200);
  expect(await send("/viber", { "x-viber-content-signature": "00" }, Buffer.from('{"event":"conversation_started"}'))).toBe(200);
  expect(seen.map(({ url }) => url)).toEqual(["/facebook?hub.mode=subscribe&hub.challenge=1&hub.verify_token=t", "/twilio?x=1", "/viber"]);
  expect(seen[1]).toMatchObject({
    body: "From=%2B1&Body=a+b",
    headers: { host: "abc.tunnel.airy.co", "x-forwarded-proto": "https", "x-twilio-signature": "abc=" },
  });
});

test("without an app nothing passes as Facebook's, not even signed with nothing", async () => {
  await start({ appSecret: null });
  expect(await send("/facebook", signatureHeaders("", body) as unknown as Headers)).toBe(403);
  expect(await send("/facebook?hub.mode=subscribe&hub.challenge=1", {}, body, "GET")).toBe(403);
  expect(await send("/viber")).toBe(200);
  expect(seen).toHaveLength(1);
});

test("a body without end is cut off, and the next delivery passes", async () => {
  await start();
  const status = await send("/facebook", { "x-hub-signature-256": sha256 }, Buffer.alloc(5 * 1024 * 1024)).catch(() => 413);
  expect(status).toBe(413);
  expect(await send("/facebook", { "x-hub-signature-256": sha256 })).toBe(200);
});
