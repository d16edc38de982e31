/** What leaves the platform: replies under trouble, names, Instagram, and outbound webhooks. */
import { createHmac } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Database } from "../../../compose/basic/src/database/connect.ts";
import type { GraphClient } from "../../../compose/basic/src/facebook/graph.ts";
import { createOutbox } from "../../../compose/basic/src/facebook/outbox.ts";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { Events } from "../../../compose/basic/src/live/events.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { app, delivery, eventually, pageId, pageToken, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;

const channelId = airyId("facebook", pageId);
const conversationId = airyId(channelId, "2002");

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
});
afterAll(() => postgres.close());
beforeEach(async () => {
  platform = await startTestPlatform(await postgres.createDatabase(), { secret: "workspace secret" });
  await platform.connect();
  await platform.deliver(delivery([textEvent("m_1", "hi")]));
});
afterEach(() => platform.close());

const send = (text: string) => platform.call("/messages.send", { conversation_id: conversationId, message: { text } });
const sends = () => platform.graph.calls.filter((call) => call.path.endsWith("/me/messages"));
const outcome = (id: string) =>
  eventually(async () => {
    const { json } = await platform.call("/messages.list", { conversation_id: conversationId, page_size: 100 });
    const message = (json.data as Json[]).find((one) => one.id === id)!;
    expect(message.delivery_state).not.toBe("pending");
    return message;
  });
const graphError = (code: number, more: Json = {}) => ({ status: 400, body: { error: { message: `(#${code}) no`, code, ...more } } });

describe("replies", () => {
  test.each([["claim_pending"], ["finish_message"], ["pending"]])(
    "sent once and recorded although the database breaks off at: %s",
    async () => {
      // The connections are cut while the call to Facebook is on its way, and while the next message is claimed.
      const called = platform.graph.next("/me/messages");
      let release = () => {};
      const answered = new Promise<void>((resolve) => (release = resolve));
      let count = 0;
      platform.graph.onSend = async () => {
        count += 1;
        await answered;
        return { status: 200, body: { recipient_id: "2002", message_id: `m_out_${count}` } };
      };
      const first = await send("first");
      await called;
      const second = await send("second");
      await postgres.kill9();
      release();
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await postgres.start();
      expect((await outcome(first.json.id)).delivery_state).toBe("delivered");
      expect((await outcome(second.json.id)).delivery_state).toBe("delivered");
      expect(sends().map((call) => (call.body as Json).message.text)).toEqual(["first", "second"]);
    },
  );

  test.each([
    ["the claim fails", "claim_pending", false],
    ["the claim is made, but its answer is lost", "claim_pending", true],
    ["the outcome cannot be written", "transaction", false],
    ["the outcome is written, but the answer is lost", "transaction", true],
  ])("are sent once although %s", async (_name, where, lost) => {
    const row = {
      id: "m",
      conversation_id: "c",
      channel_id: "ch",
      queued_at: new Date(),
      connected: true,
      token: "t",
      recipient: "r",
      content: {},
    };
    let state: "pending" | "claimed" | "done" = "pending";
    let claimedBy: unknown;
    let troubles = 3;
    let sent = 0;
    const trouble = (name: string, after: boolean) => {
      if (name !== where || after !== lost || troubles === 0) return;
      troubles -= 1;
      throw new Error("Connection terminated unexpectedly");
    };
    const database = {
      async query({ name }: { name: string }, values: unknown[]) {
        trouble(name, false);
        const free = name === "claim_pending" && (state === "pending" || (state === "claimed" && claimedBy === values[1]));
        if (free) [state, claimedBy] = ["claimed", values[1]];
        trouble(name, true);
        return free ? [row] : [];
      },
      async transaction() {
        trouble("transaction", false);
        state = "done";
        trouble("transaction", true);
      },
    };
    const outbox = createOutbox({
      database: database as unknown as Database,
      events: {} as Events,
      graph: { send: async () => `mid_${(sent += 1)}` } as unknown as GraphClient,
      log: () => {},
    });
    outbox.submit({ id: "m", conversationId: "c" });
    await eventually(() => expect([sent, state, troubles]).toEqual([1, "done", 0]));
    await outbox.close(1_000);
  });

  test("one that was stored but never handed on is found and sent", async () => {
    const id = "00000000-0000-4000-8000-0000000000aa";
    await platform.sql(
      `insert into message (id, conversation_id, channel_id, sent_at, queued_at, from_contact, sender_id, delivery_state, content)
       values ($1, $2, $3, now(), now(), false, 'airy-core-anonymous', 'pending', '{"text":"orphan"}')`,
      [id, conversationId, channelId],
    );
    expect((await outcome(id)).delivery_state).toBe("delivered");
  });

  test("what Facebook calls transient is tried again and comes out the same", async () => {
    const answers = [graphError(1200), graphError(2, { is_transient: true })];
    platform.graph.onSend = () => answers.shift() ?? { status: 200, body: { recipient_id: "2002", message_id: "m_at_last" } };
    const { json } = await send("patience");
    expect(await outcome(json.id)).toMatchObject({ delivery_state: "delivered", metadata: { source: { id: "m_at_last" } } });
    expect(sends()).toHaveLength(3);
  });

  test("a dead page token shows the channel as broken until it is connected again", async () => {
    platform.graph.onSend = () => graphError(190, { message: "Session has expired", error_subcode: 463 });
    const failed = await outcome((await send("one")).json.id);
    expect(failed.metadata.error).toContain("Session has expired");
    const channel = async () => (await platform.call("/channels.list")).json.data[0];
    expect((await channel()).metadata).toMatchObject({ connection_state: "broken", connection_error: expect.stringContaining("expired") });
    expect((await platform.request("GET", "/health")).json.broken).toMatchObject([{ id: channelId }]);
    await platform.connect();
    expect((await channel()).metadata).not.toHaveProperty("connection_state");
  });

  test("an echo that comes before Facebook's answer is no second message; one from elsewhere is", async () => {
    const echo = (mid: string) => ({
      sender: { id: pageId },
      recipient: { id: "2002" },
      timestamp: 1_700_000_000_500,
      message: { mid, text: mid, is_echo: true, app_id: Number(app.appId) },
    });
    platform.graph.onSend = async () => {
      await platform.deliver(delivery([echo("m_ours"), echo("m_elsewhere")]));
      return { status: 200, body: { recipient_id: "2002", message_id: "m_ours" } };
    };
    await outcome((await send("m_ours")).json.id);
    await eventually(async () => expect((await platform.texts(conversationId)).toSorted()).toEqual(["hi", "m_elsewhere", "m_ours"]));
  });

  test("a reaction that is faster than Facebook's answer is kept", async () => {
    platform.graph.onSend = async () => {
      await platform.deliver(
        delivery([{ ...textEvent("", ""), message: undefined, reaction: { mid: "m_fast", action: "react", emoji: "❤️" } }]),
      );
      return { status: 200, body: { recipient_id: "2002", message_id: "m_fast" } };
    };
    expect((await outcome((await send("x")).json.id)).metadata).toMatchObject({ reaction: { emoji: "❤️" }, source: { id: "m_fast" } });
  });

  test("the page token is sealed in the database, and unreadable without the secret", async () => {
    const [{ token }] = (await platform.sql<{ token: string }>("select token from channel")) as [{ token: string }];
    expect(token).toMatch(/^sealed:/);
    expect(Buffer.from(token.slice(7), "base64").toString("latin1")).not.toContain(pageToken);
    await platform.restart({ secret: "another" });
    const failed = await outcome((await send("x")).json.id);
    expect(failed.metadata.error).toContain("connect the channel again");
    expect(sends()).toEqual([]);
  });
});

describe("names", () => {
  test("a failure that passes is tried again; without permission the page's conversations are asked", async () => {
    const customer = airyId(channelId, "7001");
    let asked = 0;
    platform.graph.onOther = ({ path, query }) => {
      if (path.endsWith("/me/conversations")) {
        return { status: 200, body: { data: [{ participants: { data: [{ id: query.get("user_id"), name: "Grace Hopper" }] } }] } };
      }
      if (!path.endsWith("/7001")) return { status: 200, body: {} };
      asked += 1;
      return asked === 1 ? graphError(2) : graphError(100, { error_subcode: 33 });
    };
    await platform.deliver(delivery([textEvent("m_7001", "hi", { from: "7001" })]));
    const contact = async () => (await platform.call("/conversations.info", { conversation_id: customer })).json.metadata.contact;
    await eventually(async () => expect(await contact()).toEqual({ display_name: "Grace Hopper", fetch_state: "ok" }));
    expect(asked).toBe(2);
    platform.graph.onOther = () => ({ status: 200, body: { first_name: "Grace", last_name: "H." } });
    expect((await platform.call("/conversations.refetch", { conversation_id: customer })).status).toBe(202);
    await eventually(async () => expect((await contact()).display_name).toBe("Grace H."));
  });
});

test("Instagram: connected, messages in and out, names", async () => {
  platform.graph.onOther = () => ({ status: 200, body: { name: "", username: "ada.l", profile_pic: "https://cdn.example/ig.png" } });
  const account = "17841400000000000";
  const item = { sender: { id: "9001" }, recipient: { id: account }, timestamp: 1_700_000_000_000, message: { mid: "ig_1", text: "hi" } };
  expect((await platform.deliver({ object: "instagram", entry: [{ id: account, time: 1, messaging: [item] }] })).status).toBe(200);
  const { status, json } = await platform.call("/channels.instagram.connect", {
    page_id: pageId,
    account_id: account,
    page_token: pageToken,
  });
  expect([status, json]).toMatchObject([
    200,
    {
      id: "d60370c8-6c92-589b-924e-f6835d88013a",
      source: "instagram",
      source_channel_id: account,
      metadata: { page_id: pageId, account_id: account },
    },
  ]);
  const conversation = airyId(json.id, "9001");
  await eventually(async () => {
    const info = await platform.call("/conversations.info", { conversation_id: conversation });
    expect(info.json.metadata.contact).toEqual({ display_name: "ada.l", avatar_url: "https://cdn.example/ig.png", fetch_state: "ok" });
  });
  await platform.call("/messages.send", { conversation_id: conversation, message: { text: "back" } });
  await eventually(() => expect(sends().map((call) => (call.body as Json).recipient)).toEqual([{ id: "9001" }]));
});

describe("outbound webhooks", () => {
  let receiver: http.Server;
  let got: { event: Json; headers: http.IncomingHttpHeaders; signed: boolean }[];
  let answer: () => number;
  let url: string;
  beforeEach(async () => {
    got = [];
    answer = () => 204;
    receiver = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks);
        const signature = createHmac("sha256", "key").update(body).digest("hex");
        const status = answer();
        if (status < 300) {
          const signed = request.headers["x-airy-content-signature"] === signature;
          got.push({ event: JSON.parse(body.toString()) as Json, headers: request.headers, signed });
        }
        response.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook?secret=1`;
  });
  afterEach(() => new Promise((resolve) => receiver.close(resolve)));

  test("are signed, carry what happened, and end with the subscription", async () => {
    const body = { url, name: "crm", headers: { "X-Own": "yes" }, signature_key: "key" };
    const { status, json } = await platform.call("/webhooks.subscribe", body);
    expect([status, json]).toEqual([
      200,
      { id: expect.any(String), name: "crm", url, headers: { "X-Own": "yes" }, events: [], status: "Subscribed" },
    ]);
    expect((await platform.call("/webhooks.list")).json).toEqual({ data: [json] });
    await platform.deliver(delivery([textEvent("m_2", "news")]));
    await eventually(() =>
      expect(new Set(got.map(({ event }) => event.type))).toEqual(new Set(["message.created", "message.updated", "conversation.updated"])),
    );
    const created = got.find(({ event }) => event.type === "message.created")!;
    expect(created.event).toMatchObject({
      timestamp: expect.any(Number),
      payload: {
        conversation_id: conversationId,
        channel_id: channelId,
        message: { content: { message: { text: "news" } }, source: "facebook" },
      },
    });
    expect(created.headers).toMatchObject({ "user-agent": "Airy/1.0", "x-own": "yes", "content-type": "application/json" });
    expect(got.every(({ signed }) => signed)).toBe(true);
    const conversation = got.find(({ event }) => event.type === "conversation.updated")!.event.payload;
    expect(conversation).toMatchObject({ id: conversationId, channel_id: channelId });
    expect((await platform.call("/webhooks.unsubscribe", { id: json.id })).json.status).toBe("Unsubscribed");
    const before = got.length;
    await platform.deliver(delivery([textEvent("m_3", "later")]));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(got.length).toBe(before);
  });

  test("are repeated until they are taken, also after a restart", async () => {
    let refused = 0;
    answer = () => {
      refused += 1;
      return 500;
    };
    await platform.call("/webhooks.subscribe", { url, events: ["message.created"] });
    await platform.deliver(delivery([textEvent("m_2", "kept")]));
    await eventually(() => expect(refused).toBeGreaterThan(0));
    await eventually(() => expect(platform.logs.join("\n")).toMatch(/webhook to http:\/\/127\.0\.0\.1:\d+ fails: answered 500/));
    await platform.restart();
    answer = () => 200;
    await eventually(() => expect(got.map(({ event }) => event.payload.message.content.message.text)).toEqual(["kept"]));
    expect(platform.logs.join("\n")).not.toContain("secret=1");
  });
});
