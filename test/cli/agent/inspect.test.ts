/** Requests that are looked at and sent again, and how much of them is kept. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { createInspector } from "../../../cli/agent/inspect.ts";
import { Captures, type Exchange } from "../../../cli/tunnel/captures.ts";
import type { AiryError } from "../../../cli/errors.ts";
import type { RequestRecord } from "../../../cli/events.ts";
import { verifySignature } from "../../../compose/facebook/contract.ts";
import { type Receiver, startReceiver } from "../../compose/sandbox/receiver.ts";

const appSecret = "an-app-secret";
let platform: Receiver;
let other: Receiver;

beforeEach(async () => {
  platform = await startReceiver((_, res) => res.writeHead(200).end("taken"));
  other = await startReceiver((_, res) => res.writeHead(418).end());
});
afterEach(async () => {
  await platform.close();
  await other.close();
});

const record = (id: number): RequestRecord => ({
  id: String(id),
  at: "2026-11-25T10:00:00.000Z",
  method: "POST",
  path: "/facebook",
  status: 200,
  durationMs: 1,
  bytesIn: 0,
  bytesOut: 0,
});

function exchange(body: string, cut = 0): Exchange {
  const headers = [
    "Host",
    "x.example",
    "Content-Length",
    "5",
    "X-Hub-Signature-256",
    "sha256=old",
    "Cookie",
    "c=1",
    "Transfer-Encoding",
    "chunked",
  ];
  return { record: record(7), target: "/facebook?a=1", request: { headers, body: Buffer.from(body), cut }, response: null };
}

const inspector = () => createInspector({ target: platform.url, appSecret, secrets: [appSecret] });

test("sent again it is the same request: path, body, signature; not the host and what belongs to a connection", async () => {
  expect(await inspector().replay(exchange("hello"), {})).toMatchObject({ status: 200, signed: false, body: "taken" });
  const [got] = platform.requests;
  expect({ path: got!.url.pathname + got!.url.search, body: got!.body.toString() }).toEqual({ path: "/facebook?a=1", body: "hello" });
  expect(got!.headers).toMatchObject({ "x-hub-signature-256": "sha256=old", cookie: "c=1", "content-length": "5" });
  expect(got!.headers.host).toBe(new URL(platform.url).host);
  expect(got!.headers["transfer-encoding"]).toBeUndefined();
});

test("an edited body is signed again with the app secret; elsewhere nobody's cookie goes along", async () => {
  const body = Buffer.from('{"object":"page"}').toString("base64");
  expect(await inspector().replay(exchange("hello", 9), { to: other.url, body })).toMatchObject({ status: 418, signed: true });
  const [got] = other.requests;
  expect(got!.url.pathname).toBe("/facebook");
  expect(got!.headers.cookie).toBeUndefined();
  expect(verifySignature(appSecret, got!.body, got!.headers as Record<string, string>)).toBe("valid");
  await inspector().replay(exchange("hello"), { to: `${other.url}/elsewhere` });
  expect(other.requests[1]!.url.pathname).toBe("/elsewhere");
});

test("what is not whole, leads nowhere, or is no address is refused", async () => {
  const code = (work: Promise<unknown>) =>
    work.then(
      () => "none",
      (error: AiryError) => error.code,
    );
  expect(await code(inspector().replay(exchange("x", 1), {}))).toBe("REQUEST_CUT");
  expect(await code(inspector().replay(exchange("x"), { to: "file:///etc/passwd" }))).toBe("INVALID_ARGUMENT");
  expect(await code(inspector().replay(exchange("x"), { to: 7 }))).toBe("INVALID_ARGUMENT");
  expect(await code(inspector().replay(exchange("x"), { to: "http://127.0.0.1:1" }))).toBe("REPLAY_FAILED");
});

test("500 are kept, of a body 256 KB, and all together no more than 32 MB, whatever is under way", () => {
  const captures = new Captures();
  const big = Buffer.alloc(300 * 1024, 1);
  const one = captures.begin("/", []);
  one.data("request", big);
  one.answered([]);
  one.finish(record(1));
  expect(captures.find("1")).toMatchObject({ request: { cut: 44 * 1024 }, response: { cut: 0 } });
  const pending = Array.from({ length: 200 }, () => captures.begin("/", []));
  for (const each of pending) each.data("request", big);
  // 128 of them fill the memory: the finished one was forgotten for them, the rest keeps nothing of its body.
  expect(captures.find("1")).toBeNull();
  pending.forEach((each, index) => each.finish(record(index + 2)));
  expect(captures.find("129")!.request.body).toHaveLength(256 * 1024);
  expect(captures.find("130")!.request).toMatchObject({ cut: big.length });
  for (let n = 0; n < 600; n += 1) captures.begin("/", []).finish(record(1_000 + n));
  expect([captures.find("1099"), captures.find("1100")?.record.id]).toEqual([null, "1100"]);
  // What was given back untried, or forgotten, left no bytes behind: all of the memory is free again.
  const dropped = captures.begin("/", []);
  dropped.data("request", big);
  dropped.drop();
  for (let n = 0; n < 128; n += 1) expect(captures.take(256 * 1024)).toBe(true);
  expect(captures.take(1)).toBe(false);
});
