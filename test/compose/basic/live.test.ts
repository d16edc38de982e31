import { once } from "node:events";
import net from "node:net";
import { Client as StompClient } from "@stomp/stompjs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { airyId } from "../../../compose/basic/src/ids.ts";
import { MAX_BACKLOG } from "../../../compose/basic/src/live/broker.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { delivery, eventually, pageId, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
});
afterAll(() => postgres.close());
beforeEach(async () => {
  platform = await startTestPlatform(await postgres.createDatabase());
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
  await platform.close();
});

const channelId = airyId("facebook", pageId);
const conversationId = airyId(channelId, "2002");
const socketUrl = () => `ws://127.0.0.1:${platform.port}/ws.communication`;

/** Airy's own client library, subscribed; `received` fills as events come. */
async function subscriber(): Promise<{ received: Json[]; client: StompClient }> {
  const received: Json[] = [];
  const client = new StompClient({ webSocketFactory: () => new WebSocket(socketUrl(), ["v12.stomp", "v11.stomp"]), reconnectDelay: 0 });
  cleanups.push(() => client.deactivate());
  await new Promise<void>((resolve, reject) => {
    client.onStompError = (frame) => reject(new Error(frame.headers.message));
    client.onWebSocketError = () => reject(new Error("websocket error"));
    client.onConnect = () => {
      client.watchForReceipt("subscribed", () => resolve());
      client.subscribe("/events", (message) => received.push(JSON.parse(message.body) as Json), { receipt: "subscribed" });
    };
    client.activate();
  });
  return { received, client };
}

const types = (received: Json[]) => received.map((event) => event.type);

describe("events over STOMP", () => {
  test("a message from a customer, the unread count, and a connected channel", async () => {
    // The customer's name would be an event of its own.
    platform.graph.onOther = () => "hang";
    const { received } = await subscriber();
    await platform.connect();
    const event = textEvent("m_1", "hello");
    await platform.deliver(delivery([event]));
    await platform.call("/conversations.mark-read", { conversation_id: conversationId });
    await eventually(() => expect(received).toHaveLength(4));
    expect(received[0]).toEqual({
      type: "channel.updated",
      timestamp: null,
      payload: { id: channelId, source: "facebook", source_channel_id: pageId, connected: true, metadata: null },
    });
    expect(received[1]).toEqual({
      type: "message.created",
      timestamp: event.timestamp,
      payload: {
        conversation_id: conversationId,
        channel_id: channelId,
        message: {
          id: airyId(channelId, JSON.stringify(event)),
          content: event,
          sent_at: "2023-11-14T22:13:20.000Z",
          delivery_state: "delivered",
          from_contact: true,
          source: "facebook",
          metadata: null,
          sender: { id: "2002", name: null, avatar_url: null },
        },
      },
    });
    const metadata = (unread_count: number) => ({
      type: "metadata.updated",
      timestamp: expect.any(Number),
      payload: {
        subject: "conversation",
        identifier: conversationId,
        metadata: { contact: { display_name: `Facebook ${conversationId.slice(31)}` }, unread_count },
      },
    });
    expect(received.slice(2)).toEqual([metadata(1), metadata(0)]);
  });

  test("a redelivery tells nobody anything", async () => {
    await platform.connect();
    await platform.deliver(delivery([textEvent("m_1", "once")]));
    await profileAsked();
    const { received } = await subscriber();
    await platform.deliver(delivery([textEvent("m_1", "once")]));
    await platform.deliver(delivery([textEvent("m_2", "new")]));
    await eventually(() => expect(types(received)).toEqual(["message.created", "metadata.updated"]));
    expect(received[0]!.payload.message.content.message.text).toBe("new");
  });

  test("a reply is told as pending and then as delivered, under one id", async () => {
    await platform.connect();
    await platform.deliver(delivery([textEvent("m_1", "hi")]));
    await profileAsked();
    const { received } = await subscriber();
    const { json } = await platform.call("/messages.send", { conversation_id: conversationId, message: { text: "back" } });
    await eventually(() => expect(received).toHaveLength(3));
    expect(received.slice(0, 2).map((event) => [event.type, event.payload.message.id, event.payload.message.delivery_state])).toEqual([
      ["message.created", json.id, "pending"],
      ["message.created", json.id, "delivered"],
    ]);
    expect(received[2]!.payload).toMatchObject({ subject: "message", identifier: json.id });
  });

  test("messages that waited for the connect are told at the connect", async () => {
    await platform.deliver(delivery([textEvent("m_1", "early")]));
    const { received } = await subscriber();
    await platform.connect();
    await eventually(() => expect(types(received)).toEqual(["channel.updated", "message.created", "metadata.updated"]));
  });

  test("the last unread count told is the true one, also when many arrive at once", async () => {
    await platform.connect();
    const { received } = await subscriber();
    await Promise.all(Array.from({ length: 100 }, (_, index) => platform.deliver(delivery([textEvent(`m_${index}`, `${index}`)]))));
    await eventually(() => expect(types(received).filter((type) => type === "message.created")).toHaveLength(100));
    const counts = received.filter((event) => event.type === "metadata.updated").map((event) => event.payload.metadata.unread_count);
    expect(counts.at(-1)).toBe(100);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  });
});

/** The name of the customer is asked for in the background; its outcome is an event of its own. */
async function profileAsked(): Promise<void> {
  await eventually(async () => expect((await platform.call("/conversations.list")).text).toContain("fetch_state"));
}

describe("protocol", () => {
  /** A WebSocket that speaks by hand. */
  async function raw(subprotocols: string[] = ["v12.stomp"]) {
    const socket = new WebSocket(socketUrl(), subprotocols);
    cleanups.push(() => socket.terminate());
    const frames: string[] = [];
    socket.on("message", (data) => frames.push((data as Buffer).toString()));
    await once(socket, "open");
    const nextFrame = () => eventually(() => frames.shift() ?? Promise.reject(new Error("no frame yet")));
    return { socket, frames, nextFrame };
  }

  test.each([
    ["1.2", "accept-version:1.0,1.1,1.2", "version:1.2"],
    ["1.1", "accept-version:1.1", "version:1.1"],
  ])("negotiates %s and heartbeats", async (_version, header, answer) => {
    const { socket, nextFrame } = await raw();
    expect(socket.protocol).toBe("v12.stomp");
    socket.send(`CONNECT\n${header}\nhost:x\nheart-beat:0,0\n\n\0`);
    const frame = await nextFrame();
    expect(frame).toMatch(/^CONNECTED\n/);
    expect(frame.split("\n")).toContain(answer);
    expect(frame.split("\n")).toContain("heart-beat:30000,30000");
  });

  test("frames may come in pieces, several at once, with CRLF, and with heartbeats between", async () => {
    await platform.connect();
    const { socket, frames, nextFrame } = await raw();
    for (const piece of [
      "\n\r\nCONN",
      "ECT\r\naccept-version:1.2\r\n",
      "\r\n",
      "\0\nSUBSCRIBE\nid:a\\cb\ndestination:/events\nreceipt:r",
      "1\n\n\0\n\n",
    ]) {
      socket.send(piece);
    }
    expect(await nextFrame()).toMatch(/^CONNECTED/);
    expect(await nextFrame()).toBe("RECEIPT\nreceipt-id:r1\n\n\0");
    await platform.deliver(delivery([textEvent("m_1", "hi")]));
    expect(await nextFrame()).toContain("\nsubscription:a\\cb\n");
    socket.send("UNSUBSCRIBE\nid:a\\cb\nreceipt:r2\n\n\0");
    await eventually(() => expect(frames.some((frame) => frame.includes("receipt-id:r2"))).toBe(true));
    await platform.deliver(delivery([textEvent("m_2", "hi")]));
    socket.send("DISCONNECT\nreceipt:bye\n\n\0");
    await once(socket, "close");
    expect(frames.at(-1)).toBe("RECEIPT\nreceipt-id:bye\n\n\0");
    expect(frames.filter((frame) => frame.startsWith("MESSAGE") && frame.includes('"text":"hi"') && frame.includes("m_2"))).toEqual([]);
  });

  const connect = "CONNECT\naccept-version:1.2\n\n\0";
  test.each([
    ["an old version", "CONNECT\naccept-version:1.0\n\n\0"],
    ["no CONNECT first", "SUBSCRIBE\nid:1\ndestination:/events\n\n\0"],
    ["another destination", `${connect}SUBSCRIBE\nid:1\ndestination:/secrets\n\n\0`],
    ["no subscription id", `${connect}SUBSCRIBE\ndestination:/events\n\n\0`],
    ["a SEND", `${connect}SEND\ndestination:/events\n\nforged\0`],
    ["a header without colon", `${connect}SUBSCRIBE\nid\n\n\0`],
    ["an unknown escape", `${connect}SUBSCRIBE\nid:\\t\ndestination:/events\n\n\0`],
    ["a content-length that is no number", `${connect}SUBSCRIBE\nid:1\ncontent-length:x\n\n\0`],
    ["a content-length that lies", `${connect}SUBSCRIBE\nid:1\ncontent-length:2\n\nabc\0`],
    ["heartbeats that are no numbers", "CONNECT\naccept-version:1.2\nheart-beat:a,b\n\n\0"],
    ["no end of headers", "CONNECT\naccept-version:1.2\0"],
  ])("%s is answered ERROR and closed", async (_name, text) => {
    const { socket, frames } = await raw();
    const closed = once(socket, "close");
    socket.send(text);
    await closed;
    expect(frames.at(-1)).toMatch(/^ERROR\nmessage:/);
    expect((await platform.request("GET", "/health")).status).toBe(200);
  });

  test("a message over 64 KB is cut off", async () => {
    const { socket } = await raw();
    const closed = once(socket, "close");
    socket.send("x".repeat(65 * 1024));
    await closed;
  });

  test("a client that never reads is cut off, and others get everything", async () => {
    await platform.connect();
    const socket = net.connect(platform.port, "127.0.0.1");
    cleanups.push(() => socket.destroy());
    socket.write(
      "GET /ws.communication HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    await once(socket, "data");
    socket.write(masked("CONNECT\naccept-version:1.2\n\n\0"));
    await once(socket, "data");
    socket.write(masked("SUBSCRIBE\nid:1\ndestination:/events\nreceipt:r\n\n\0"));
    await once(socket, "data");
    socket.pause();
    const { received } = await subscriber();
    const size = 100_000;
    // What the kernel's buffers on both sides take comes on top of our own limit.
    const count = Math.ceil((MAX_BACKLOG + 16 * 1024 * 1024) / size);
    for (let index = 0; index < count; index += 1) await platform.deliver(delivery([textEvent(`m_${index}`, "x".repeat(size))]));
    await eventually(() => expect(types(received).filter((type) => type === "message.created")).toHaveLength(count));
    const closed = once(socket, "close");
    socket.on("error", () => {});
    socket.resume();
    await closed;
  });

  test("closing the platform says goodbye", async () => {
    const { socket } = await raw();
    const closed = once(socket, "close");
    await platform.restart();
    expect((await closed)[0]).toBe(1001);
  });
});

/** A client's text frame; the mask is zero, which the protocol allows. */
function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
