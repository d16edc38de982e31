/** `media.upload`: what is uploaded is seen here, and goes to Facebook as bytes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import { type Receiver, platformLike, startReceiver } from "../sandbox/receiver.ts";
import { type StandIn, app as standInApp, page, startStandIn } from "../sandbox/stand-in.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { eventually, startTestPlatform } from "./fixture.ts";

const ADA = "24000000000000001";
const conversation = airyId(airyId("facebook", page.id), ADA);
let postgres: TestPostgres;
let standIn: StandIn;
let receiver: Receiver;
let platform: TestPlatform;

beforeAll(async () => {
  [postgres, standIn, receiver] = await Promise.all([
    startPostgres({ sync: false }),
    startStandIn(),
    startReceiver(platformLike("verify")),
  ]);
  await standIn.subscribe(`${receiver.url}/facebook`, "verify");
  const facebook = { appId: standInApp.id, appSecret: standInApp.secret, verifyToken: "v", graphUrl: standIn.url };
  platform = await startTestPlatform(await postgres.createDatabase(), { facebook });
  await platform.call("/channels.facebook.connect", { page_id: page.id, page_token: page.token, name: "Shop" });
  await standIn.command("POST", "/sandbox/events", { kind: "message", text: "hello" });
  const first = { sender: { id: ADA }, recipient: { id: page.id }, timestamp: Date.now(), message: { mid: "m_first", text: "hello" } };
  const body = Buffer.from(JSON.stringify({ object: "page", entry: [{ id: page.id, time: 1, messaging: [first] }] }));
  const { signatureHeaders } = await import("../../../compose/facebook/contract.ts");
  expect((await platform.request("POST", "/facebook", body, { ...signatureHeaders(standInApp.secret, body) })).status).toBe(200);
});
afterAll(async () => {
  await platform.close();
  await receiver.close();
  await standIn.close();
  await postgres.close();
});

async function upload(file: Blob, name: string, field = "file"): Promise<{ status: number; json: Json }> {
  const form = new FormData();
  form.set(field, file, name);
  const answer = await fetch(`${platform.url}/media.upload`, { method: "POST", body: form });
  return { status: answer.status, json: (await answer.json()) as Json };
}

const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

test("a picture is served as it came, and sent as bytes, because Facebook cannot fetch it", async () => {
  const { status, json } = await upload(new Blob([png], { type: "image/png" }), "ein Bild.png");
  expect(status).toBe(200);
  const { media_url: url } = json;
  expect(url.startsWith(`${platform.url}/media.file?id=`)).toBe(true);
  const served = await fetch(url);
  expect([served.headers.get("content-type"), Buffer.from(await served.arrayBuffer())]).toEqual(["image/png", png]);

  const message = { attachment: { type: "image", payload: { is_reusable: true, url } } };
  const sent = await platform.call("/messages.send", { conversation_id: conversation, message });
  await eventually(async () => {
    const list = await platform.call("/messages.list", { conversation_id: conversation });
    const found = (list.json.data as Json[]).find(({ id }) => id === sent.json.id);
    expect(found).toMatchObject({ delivery_state: "delivered", content: message });
  });
  const query = new URLSearchParams({ message: sent.json.id, url });
  const seen = await platform.request("GET", `/media?${query}`);
  expect([seen.status, seen.headers["content-type"]]).toEqual([200, "image/png"]);
});

test.each([
  ["a page", "text/html", "x.html"],
  ["a drawing", "image/svg+xml", "x.svg"],
  ["no type at all", "no type; x=y", "../../etc/passwd"],
])("%s is only handed out as a file", async (_name, type, name) => {
  const { json } = await upload(new Blob(["<script>alert(1)</script>"], { type }), name);
  const served = await fetch(json.media_url);
  expect(served.headers.get("content-type")).toBe("application/octet-stream");
  expect(served.headers.get("content-disposition")).toMatch(/^attachment/);
  expect(served.headers.get("x-content-type-options")).toBe("nosniff");
});

test("what is no upload is refused in words", async () => {
  expect(await upload(new Blob([Buffer.alloc(26 * 1024 * 1024)]), "big.bin")).toMatchObject({
    status: 413,
    json: { message: expect.stringContaining("25 MB") },
  });
  expect((await platform.call("/media.upload", {})).status).toBe(415);
  const form = new FormData();
  form.set("name", "no file");
  expect((await fetch(`${platform.url}/media.upload`, { method: "POST", body: form })).status).toBe(400);
  const torn = { "content-type": "multipart/form-data; boundary=x" };
  expect((await platform.request("POST", "/media.upload", "--x\r\nbroken", torn)).status).toBe(400);
  for (const id of ["", "x", "00000000-0000-4000-8000-000000000000"]) {
    expect((await platform.request("GET", `/media.file?id=${id}`)).status).toBe(404);
  }
  expect((await platform.request("GET", "/media.file?id=1&id=2")).status).toBe(404);
});
