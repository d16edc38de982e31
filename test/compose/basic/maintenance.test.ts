/** Reading deliveries again, forgetting old ones, and taking everything along. */
import { createHash } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import http from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { openDatabase } from "../../../compose/basic/src/database/connect.ts";
import { airyId } from "../../../compose/basic/src/ids.ts";
import { forgetOld } from "../../../compose/basic/src/maintenance/retention.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { delivery, eventually, pageId, pageToken, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;
let databaseUrl: string;

const channel = airyId("facebook", pageId);
const conversation = airyId(channel, "2002");

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
});
afterAll(() => postgres.close());
beforeEach(async () => {
  databaseUrl = await postgres.createDatabase();
  platform = await startTestPlatform(databaseUrl, { secret: "one" });
  platform.graph.onOther = () => ({ status: 200, body: { first_name: "Ada" } });
  await platform.connect();
});
afterEach(() => platform.close());

/** Bytes there and back: backups are no text. */
function transfer(
  target: TestPlatform,
  path: string,
  body?: Buffer,
  headers: Record<string, string> = {},
): Promise<{ status: number; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port: target.port, method: "POST", path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const lastLine = (bytes: Buffer) => JSON.parse(bytes.toString().trim().split("\n").at(-1)!) as Json;

test("what an earlier reader did not understand, or got wrong, is right after an upgrade; the rest stays as it is", async () => {
  await platform.deliver(delivery([textEvent("m_1", "one")]));
  await platform.call("/conversations.mark-read", { conversation_id: conversation });
  await platform.call("/metadata.upsert", { subject: "conversation", id: conversation, data: { vip: true } });
  const before = (await platform.call("/messages.list", { conversation_id: conversation })).json.data[0];
  // As the earlier reader left them: one not understood at all, one in seconds dated 1970, two customers' ids made one.
  const lost = JSON.stringify(delivery([{ ...textEvent("m_2", "two"), timestamp: "1700000009" }]));
  const long = `{"object":"page","entry":[{"id":"${pageId}","messaging":[{"sender":{"id":24012345678901233},"recipient":{"id":"${pageId}"},"timestamp":1700000001000,"message":{"mid":"m_3","text":"three"}}]}]}`;
  const rounded = airyId(channel, "24012345678901230");
  for (const [body, note] of [
    [lost, "1 events of unknown shape"],
    [long, null],
  ]) {
    const hash = createHash("sha256").update(body!).digest();
    await platform.sql("insert into delivery (sha256, body, note) values ($1, $2, $3)", [hash, Buffer.from(body!), note]);
  }
  await platform.sql(
    `insert into conversation (id, channel_id, source_conversation_id, created_at, last_message_at, unread_count, source, display_name, name_lower)
     values ($1, $2, '24012345678901230', to_timestamp(0), to_timestamp(0), 1, 'facebook', 'x', 'x')`,
    [rounded, channel],
  );
  await platform.sql(
    `insert into message (id, conversation_id, channel_id, source_message_id, sent_at, from_contact, sender_id, delivery_state, content)
     values ($1, $2, $3, 'm_3', to_timestamp(1), true, '24012345678901230', 'delivered', '{}')`,
    [airyId("x", "y"), rounded, channel],
  );
  await platform.restart();
  await eventually(async () => expect(await platform.texts(conversation)).toEqual(["one", "two"]));
  await eventually(() => expect(platform.logs.join("\n")).toContain("1 earlier deliveries were read again: 1 messages more"));

  const { bytes } = await transfer(platform, "/admin.reprocess");
  expect(lastLine(bytes)).toMatchObject({ done: true, deliveries: 3 });
  const exact = airyId(channel, "24012345678901233");
  expect(await platform.texts(exact)).toEqual(["three"]);
  expect((await platform.call("/conversations.info", { conversation_id: rounded })).status).toBe(404);
  const info = (await platform.call("/conversations.info", { conversation_id: conversation })).json;
  expect(info.metadata).toMatchObject({ unread_count: 1, user_data: { vip: true } });
  expect((await platform.call("/messages.list", { conversation_id: conversation })).json.data[1]).toEqual(before);
  const again = lastLine((await transfer(platform, "/admin.reprocess")).bytes);
  expect(again).toMatchObject({ deliveries: 3, created: 0, changed: 0 });
});

test("old raw deliveries go, also those that waited, and it is said; messages stay", async () => {
  await platform.deliver(delivery([textEvent("m_1", "one")]));
  await platform.deliver(delivery([textEvent("m_2", "waits", { page: "777" })], "777"));
  await platform.sql("update delivery set received_at = now() - interval '100 days'");
  await platform.deliver(delivery([textEvent("m_3", "new")]));
  const lines: string[] = [];
  const database = openDatabase(databaseUrl, () => {});
  expect(await forgetOld(database, 90, (line) => lines.push(line))).toBe(2);
  await database.close();
  expect(lines).toEqual([expect.stringContaining("2 raw deliveries older than 90 days"), expect.stringContaining("1 of them had waited")]);
  expect(await platform.texts(conversation)).toEqual(["one", "new"]);
  expect((await platform.request("GET", "/health")).json).toMatchObject({ waiting: [], retentionDays: 90 });
});

test("a cut-off backup that ends while the database keeps it waiting is refused, and ends nothing", async () => {
  const holder = openDatabase(databaseUrl, () => {});
  const empty = gzipSync("x".repeat(100)).subarray(0, 20);
  try {
    const answer = await holder.transaction(async (client) => {
      await client.query("lock table channel in share mode");
      const pending = transfer(platform, "/admin.restore", empty);
      // The file is read to its end meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 300));
      return { pending };
    });
    expect((await answer.pending).status).toBe(409);
  } finally {
    await holder.close();
  }
  expect((await platform.call("/channels.list", {})).status).toBe(200);
});

test("a backup goes whole into an empty platform with another secret, and nowhere else", async () => {
  const item = { ...textEvent("m_1", "one \u0000 \ud83d\ude00"), extra: { n: 1.5 } };
  await platform.deliver(delivery([item]));
  await platform.deliver(delivery([textEvent("m_2", "waits", { page: "777" })], "777"));
  const tag = (await platform.call("/tags.create", { name: "vip", color: "tag-red" })).json;
  await platform.call("/conversations.tag", { conversation_id: conversation, tag_id: tag.id });
  await platform.call("/templates.create", { name: "t", source: "facebook", content: { text: "x" } });
  await platform.call("/messages.send", { conversation_id: conversation, message: { text: "back" } });
  const look = async (one: TestPlatform) => {
    const paths: [string, unknown][] = [
      ["/channels.list", {}],
      ["/conversations.list", {}],
      ["/messages.list", { conversation_id: conversation }],
      ["/tags.list", {}],
      ["/templates.list", { source: "facebook" }],
      ["/contacts.list", {}],
      ["/webhooks.list", {}],
    ];
    return Promise.all(paths.map(async ([path, body]) => (await one.call(path, body)).json));
  };
  await eventually(async () =>
    expect(JSON.stringify(await look(platform))).toMatch(/"delivered".*"fetch_state":"ok"|"fetch_state":"ok".*"delivered"/),
  );
  await eventually(async () => expect(JSON.stringify(await look(platform))).not.toContain("pending"));
  const { bytes } = await transfer(platform, "/admin.backup");
  expect(gunzipSync(bytes).toString()).not.toContain(pageToken);

  const other = await startTestPlatform(await postgres.createDatabase(), { secret: "two" });
  try {
    for (const broken of [
      bytes.subarray(0, bytes.length - 20),
      gzipSync('{"airy":"backup","schema":999}'),
      gzipSync("hello"),
      Buffer.from("x"),
    ]) {
      expect((await transfer(other, "/admin.restore", broken)).status).toBe(409);
    }
    expect((await transfer(other, "/admin.restore", bytes, { "airy-backup-secret": "one" })).status).toBe(200);
    expect(await look(other)).toEqual(await look(platform));
    expect((await transfer(other, "/admin.restore", bytes)).status).toBe(409);
    // It goes on: new messages, replies with the page's token, and what waited.
    await other.deliver(delivery([textEvent("m_9", "new")]));
    await other.call("/messages.send", { conversation_id: conversation, message: { text: "from the new one" } });
    await eventually(() =>
      expect(other.graph.calls.at(-1)).toMatchObject({ path: "/v26.0/me/messages", authorization: `Bearer ${pageToken}` }),
    );
    await other.connect("777");
    expect(await other.texts(airyId(airyId("facebook", "777"), "2002"))).toEqual(["waits"]);
  } finally {
    await other.close();
  }
});
