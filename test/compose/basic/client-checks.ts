/**
 * What Airy's own inbox, control center and command line rely on, call by call; the same of each edition, whatever is in front of the API.
 */
import { Client } from "@stomp/stompjs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { delivery, eventually, pageId, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;
let events: Json[];
let stomp: Client;

const channel = airyId("facebook", pageId);
const [a, b, c] = ["3001", "3002", "3003"].map((customer) => airyId(channel, customer)) as [string, string, string];
const unknown = "00000000-0000-4000-8000-000000000000";

export function clientChecks(start: (databaseUrl: string) => Promise<TestPlatform>): void {
  beforeAll(async () => {
    postgres = await startPostgres({ sync: false });
  });
  afterAll(() => postgres.close());

  beforeEach(async () => {
    platform = await start(await postgres.createDatabase());
    platform.graph.onOther = ({ path }) => ({
      status: 200,
      body: { first_name: "Customer", last_name: path.slice(-4), profile_pic: "https://cdn.example/p.png" },
    });
    events = [];
    await platform.connect();
    stomp = new Client({
      webSocketFactory: () => new WebSocket(`${platform.url.replace("http", "ws")}/ws.communication`, ["v12.stomp"]),
      reconnectDelay: 0,
    });
    await new Promise<void>((resolve) => {
      stomp.onConnect = () => {
        stomp.subscribe("/events", (frame) => events.push(JSON.parse(frame.body) as Json), { receipt: "subscribed" });
        stomp.watchForReceipt("subscribed", () => resolve());
      };
      stomp.activate();
    });
    for (const [index, customer] of ["3001", "3002", "3003"].entries()) {
      await platform.deliver(delivery([textEvent(`m_${customer}`, "hello", { from: customer, at: 1_700_000_000_000 + index })]));
    }
  });
  afterEach(async () => {
    await stomp.deactivate();
    await platform.close();
  });

  async function call(path: string, body?: unknown): Promise<[number, Json]> {
    const { status, text, json } = await platform.call(path, body);
    return [status, text === "" ? { empty: true } : json];
  }

  const nothing = (status: number): [number, Json] => [status, { empty: true }];
  const info = async (id: string): Promise<Json> => (await call("/conversations.info", { conversation_id: id }))[1];
  const found = async (filters: string): Promise<string[]> => {
    const [status, json] = await call("/conversations.list", { page_size: 50, cursor: null, filters });
    expect([status, json.message]).toEqual([200, undefined]);
    expect(json.pagination_data).toEqual({ previous_cursor: "0", next_cursor: null, total: json.data.length });
    return json.data.map((one: Json) => one.id);
  };
  const told = (type: string, identifier?: string) =>
    events.filter((event) => event.type === type && (identifier === undefined || event.payload.identifier === identifier));

  test("states are set, told, filtered by, and removed", async () => {
    expect(await call("/conversations.set-state", { conversation_id: a, state: "CLOSED" })).toEqual(nothing(204));
    expect((await info(a)).metadata.state).toBe("CLOSED");
    expect(await call("/conversations.setState", { conversation_id: unknown, state: "CLOSED" })).toEqual(nothing(404));
    await eventually(() =>
      expect(told("metadata.updated", a).filter((event) => event.payload.metadata.state === "CLOSED")).not.toEqual([]),
    );
    expect(await found("metadata.state:CLOSED")).toEqual([a]);
    expect(await found("id:* AND NOT metadata.state:CLOSED")).toEqual([c, b]);
    expect(await call("/conversations.mark-read", { conversation_id: b })).toEqual(nothing(204));
    expect(await found("unread_count:[1 TO *]")).toEqual([c, a]);
    expect(await found("unread_count:0")).toEqual([b]);
    expect(await found("unread_count:[1 TO *] AND metadata.state:CLOSED")).toEqual([a]);
    expect(await call("/conversations.remove-state", { conversation_id: a })).toEqual(nothing(204));
    expect(await found("metadata.state:CLOSED")).toEqual([]);
  });

  test("a customer's name and picture are asked for once, found again by search, and kept when somebody renames", async () => {
    await eventually(async () => expect((await info(a)).metadata.contact.display_name).toBe("Customer 3001"));
    expect((await info(a)).metadata.contact).toEqual({
      display_name: "Customer 3001",
      avatar_url: "https://cdn.example/p.png",
      fetch_state: "ok",
    });
    await eventually(() => expect(told("metadata.updated", a).at(-1)!.payload.metadata.contact.display_name).toBe("Customer 3001"));
    expect(await call("/conversations.update-contact", { conversation_id: a, display_name: "Ada Ößterreich" })).toEqual(nothing(204));
    expect(await found("display_name:*ADA*")).toEqual([a]);
    expect(await found("display_name:*öSS*")).toEqual([]);
    expect(await found("display_name:*ÖßT*")).toEqual([a]);
    expect(await found(`channel_id:(${channel})`)).toEqual([c, b, a]);
    expect(await found("source:(facebook OR instagram)")).toEqual([c, b, a]);
    await platform.deliver(delivery([textEvent("m_again", "again", { from: "3001", at: 1_700_000_009_000 })]));
    await eventually(() => expect(told("metadata.updated", a).at(-1)!.payload.metadata).toMatchObject({ unread_count: 2 }));
    expect(told("metadata.updated", a).at(-1)!.payload.metadata.contact.display_name).toBe("Ada Ößterreich");
    expect(platform.graph.calls.filter((one) => one.path.endsWith("/3001"))).toHaveLength(1);
    expect(platform.graph.calls.every((one) => one.query.get("appsecret_proof")?.length === 64)).toBe(true);
  });

  test("tags: created, listed, told, put on and off, filtered by, changed and deleted", async () => {
    const [status, vip] = await call("/tags.create", { name: "vip", color: "tag-red" });
    expect([status, vip]).toEqual([201, { id: expect.stringMatching(/^[0-9a-f-]{36}$/), name: "vip", color: "tag-red" }]);
    expect(await call("/tags.create", { name: "vip", color: "red" })).toEqual([400, { message: expect.stringContaining("tag-red") }]);
    expect(await call("/tags.list")).toEqual([200, { data: [vip] }]);
    await eventually(() => expect(told("tag.updated").map((event) => event.payload)).toEqual([vip]));

    const [, late] = await call("/tags.create", { name: "late", color: "tag-blue" });
    expect(await call("/conversations.tag", { conversation_id: a, tag_id: vip.id })).toEqual(nothing(204));
    for (const tag of [vip, late]) await call("/conversations.tag", { conversation_id: b, tag_id: tag.id });
    expect((await info(a)).metadata.tags).toEqual({ [vip.id]: "" });
    expect((await call("/conversations.list"))[1].data[2].metadata.tags).toEqual({ [vip.id]: "" });
    expect(await found(`tag_ids:(${vip.id} AND ${late.id})`)).toEqual([b]);
    expect(await found(`tag_ids:(${vip.id})`)).toEqual([b, a]);
    expect(await call("/conversations.untag", { conversation_id: a, tag_id: vip.id })).toEqual(nothing(204));
    expect((await info(a)).metadata).not.toHaveProperty("tags");
    expect(await call("/conversations.tag", { conversation_id: unknown, tag_id: vip.id })).toEqual(nothing(404));

    expect(await call("/tags.update", { id: vip.id, name: "vip2" })).toEqual(nothing(204));
    expect((await call("/tags.list"))[1].data).toContainEqual({ ...vip, name: "vip2" });
    expect(await call("/tags.delete", { id: vip.id })).toEqual(nothing(204));
    expect((await info(b)).metadata.tags).toEqual({ [late.id]: "" });
    expect(await call("/tags.update", { id: vip.id, name: "x" })).toEqual(nothing(404));
    expect(await call("/tags.delete", { id: vip.id })).toEqual(nothing(404));
  });

  test("a failed message is sent again on request; others are not", async () => {
    platform.graph.onSend = () => ({ status: 400, body: { error: { message: "(#100) bad", code: 100 } } });
    const [, message] = await call("/messages.send", { conversation_id: a, message: { foo: 1 } });
    const states = () => told("message.created").filter((event) => event.payload.message.id === message.id);
    await eventually(() => expect(states().map((event) => event.payload.message.delivery_state)).toEqual(["pending", "failed"]));
    expect(await call("/messages.resend", { message_id: message.id })).toEqual(nothing(200));
    await eventually(() =>
      expect(states().map((event) => event.payload.message.delivery_state)).toEqual(["pending", "failed", "pending", "failed"]),
    );
    const [, page] = await call("/messages.list", { conversation_id: a });
    const delivered = page.data.find((one: Json) => one.from_contact);
    expect(await call("/messages.resend", { message_id: delivered.id })).toEqual([409, { message: "Message is not in a failed state" }]);
    expect(await call("/messages.resend", { message_id: unknown })).toEqual(nothing(404));
  });

  test("a message to a conversation that is not there yet is taken, and sent when the customer writes", async () => {
    const early = airyId(channel, "3004");
    const [status, message] = await call("/messages.send", { conversation_id: early, message: { text: "welcome" } });
    expect([status, message]).toMatchObject([
      202,
      { delivery_state: "pending", from_contact: false, metadata: {}, content: { text: "welcome" } },
    ]);
    await platform.deliver(delivery([textEvent("m_3004", "hi", { from: "3004" })]));
    await eventually(async () => {
      const [, page] = await call("/messages.list", { conversation_id: early });
      expect(page.data.find((one: Json) => one.id === message.id)?.delivery_state).toBe("delivered");
    });
  });

  test("a recipient who has not written to this platform gets a conversation of their own", async () => {
    const body = { channel_id: channel, source_recipient_id: "3005", message: { text: "hi" } };
    const [status, message] = await call("/messages.send", body);
    expect([status, message.delivery_state]).toEqual([200, "pending"]);
    await eventually(async () => expect((await info(airyId(channel, "3005"))).last_message.delivery_state).toBe("delivered"));
    expect((await call("/conversations.list"))[1].pagination_data.total).toBe(4);
  });

  test("contacts: one for each conversation, with details, merged, deleted", async () => {
    const [, contact] = await call("/contacts.info", { conversation_id: a });
    expect(contact).toMatchObject({ id: airyId(a, ""), conversations: { [a]: "facebook" }, created_at: expect.any(Number) });
    expect(await call("/contacts.info", { id: contact.id })).toEqual([200, contact]);
    expect(await call("/contacts.info", {})).toEqual([400, { message: "Either contact or conversation id must be provided" }]);
    expect(await call("/contacts.info", { id: unknown })).toEqual([404, { message: "Contact not found" }]);
    await eventually(async () => expect((await info(a)).metadata.contact.fetch_state).toBe("ok"));
    expect(await call("/contacts.update", { id: contact.id, via: { email: "ada@example.org" }, title: "Dr" })).toEqual(nothing(202));
    expect((await call("/contacts.info", { conversation_id: a }))[1]).toMatchObject({
      display_name: "Customer 3001",
      via: { email: "ada@example.org" },
      title: "Dr",
    });
    const [status, page] = await call("/contacts.list", { page_size: 2, cursor: "" });
    expect([status, page.data.length, page.pagination_data.total]).toEqual([200, 2, 3]);
    const [, rest] = await call("/contacts.list", { page_size: 2, cursor: page.pagination_data.next_cursor });
    expect(rest.data).toHaveLength(1);
    const [, merged] = await call("/contacts.merge", { source_id: airyId(b, ""), destination_id: contact.id });
    expect(merged.conversations).toEqual({ [a]: "facebook", [b]: "facebook" });
    expect((await call("/contacts.recent-messages", { id: contact.id }))[1].data).toHaveLength(2);
    expect(await call("/contacts.delete", { id: contact.id })).toEqual(nothing(202));
    expect((await call("/contacts.info", { conversation_id: a }))[0]).toBe(404);
  });

  test("templates", async () => {
    const content = { message: { text: "Hello" } };
    const [status, template] = await call("/templates.create", { name: "greeting", source: "facebook", content });
    expect([status, template]).toEqual([201, { id: expect.any(String), name: "greeting", source: "facebook", content }]);
    expect(await call("/templates.list", { source: "facebook" })).toEqual([200, { data: [template] }]);
    expect(await call("/templates.list", { source: "facebook", name: "eet" })).toEqual([200, { data: [template] }]);
    expect(await call("/templates.list", { source: "instagram" })).toEqual([200, { data: [] }]);
    expect((await call("/templates.list", {}))[0]).toBe(400);
    expect((await call("/templates.update", { id: template.id, name: "hello" }))[1]).toEqual({ ...template, name: "hello" });
    expect(await call("/templates.delete", { id: template.id })).toEqual(nothing(204));
    expect(await call("/templates.info", { id: template.id })).toEqual(nothing(404));
  });

  test("components and services fit together; channels are renamed and disconnected", async () => {
    for (const path of ["/components.get", "/components.list"]) {
      const [status, json] = await call(path);
      expect([status, Object.keys(json.components)]).toEqual([200, expect.arrayContaining(["sources-facebook"])]);
    }
    const [, config] = await call("/client.config");
    expect(Object.values<Json>(config.services).map((service) => service.component)).toContain("sources-facebook");
    const [status, renamed] = await call("/channels.update", { channel_id: channel, name: "Shop" });
    expect([status, renamed.metadata.name]).toEqual([200, "Shop"]);
    expect((await call("/channels.list"))[1].data).toEqual([renamed]);
    expect(await call("/channels.info", { channel_id: channel })).toEqual([200, renamed]);
    expect(await call("/channels.update", { channel_id: unknown, name: "x" })).toEqual(nothing(404));
    expect(await call("/channels.facebook.disconnect", { channel_id: channel })).toEqual(nothing(204));
    expect(await call("/channels.facebook.disconnect", { channel_id: channel })).toEqual(nothing(204));
    expect(await call("/channels.instagram.disconnect", { channel_id: channel })).toEqual(nothing(404));
    expect((await call("/channels.list"))[1].data).toEqual([]);
    expect(await platform.sql("select token from channel")).toEqual([{ token: null }]);
  });

  test("metadata is kept under user_data, member by member", async () => {
    const upsert = (data: unknown) => call("/metadata.upsert", { subject: "conversation", id: a, data });
    expect(await upsert({ crm: { id: 7, tags: ["x"] } })).toEqual(nothing(204));
    expect(await upsert({ "crm.owner": "Eve", note: "a\u0000b" })).toEqual(nothing(204));
    expect((await info(a)).metadata.user_data).toEqual({ crm: { id: 7, tags: ["x"], owner: "Eve" }, note: "a\ufffdb" });
    expect(await found("metadata.user_data.crm.owner:eve")).toEqual([a]);
    expect((await call("/metadata.upsert", { subject: "planet", id: a, data: {} }))[0]).toBe(400);
    expect(await call("/metadata.upsert", { subject: "message", id: unknown, data: {} })).toEqual(nothing(404));
    expect(await call("/users.list")).toMatchObject([200, { data: [] }]);
  });
}
