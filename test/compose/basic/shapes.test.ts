/** Shapes in which deliveries come, after what Meta documents and people report: what the API has of each, as the inbox reads it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";
import { lineOf } from "../../../compose/basic/web/content/parts.ts";
import { readMessage } from "../../../compose/basic/web/content/read.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { Json, TestPlatform } from "./fixture.ts";
import { app, pageId, startTestPlatform } from "./fixture.ts";

const account = "17840000000000777";
const at = Date.UTC(2025, 10, 25, 9);
let postgres: TestPostgres;
let platform: TestPlatform;
let customer = 600_000;

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
  platform = await startTestPlatform(await postgres.createDatabase());
  platform.graph.onOther = () => ({ status: 200, body: { id: pageId, name: "Ada" } });
  await platform.connect();
  await platform.call("/channels.instagram.connect", { page_id: pageId, page_token: "T", account_id: account, name: "Shop" });
});
afterAll(async () => {
  await platform.close();
  await postgres.close();
});

/** Delivers each of the items for itself, to the page or the account; returns what the conversation shows, and what was counted. */
async function shown(own: string, lists: Record<string, Json[] | null | undefined>[]): Promise<string[]> {
  const object = own === account ? "instagram" : "page";
  const before = (await platform.request("GET", "/health")).json.kinds as Record<string, number>;
  for (const entry of lists) {
    expect((await platform.deliver({ object, entry: [{ id: own, time: at, ...entry }] })).status).toBe(200);
  }
  const { kinds } = (await platform.request("GET", "/health")).json;
  const channel = airyId(object === "page" ? "facebook" : "instagram", own);
  const { json } = await platform.call("/messages.list", { conversation_id: airyId(channel, String(customer)) });
  const lines = ((json.data ?? []) as Json[]).reverse().map((message) => {
    const read = readMessage(message as unknown as Parameters<typeof readMessage>[0]);
    const urls = read.parts.flatMap((part) => ["url", "picture"].map((key) => (part as Json)[key]).filter(Boolean));
    const buttons = read.parts.flatMap((part) => (part.kind === "card" ? part.buttons.map(({ title }) => `[${title}]`) : []));
    const extra = [
      read.answers && ("mid" in read.answers ? "answers a message" : `answers the story ${read.answers.story}`),
      read.cameBy,
      read.elsewhere,
      ...read.offered.map((title) => `(${title})`),
      read.chosen && "chosen",
      read.edited && "edited",
      read.deleted && "unsent",
      read.reaction,
      message.sent_at.startsWith("2025-11-25T09:00:0") ? null : "at the time of receipt",
    ];
    const said = [...read.parts.map((part) => `${part.kind} ${lineOf(part)}`), ...buttons, ...urls, ...extra].filter(Boolean);
    return `${message.from_contact ? "<" : ">"} ${said.join(" ")}`;
  });
  const counted = Object.entries(kinds as Record<string, number>).filter(([kind, count]) => count > (before[kind] ?? 0));
  return [...lines, ...counted.map(([kind]) => `# ${kind}`)];
}

const item = (members: Json) => ({ sender: { id: String(customer) }, recipient: { id: pageId }, timestamp: at, ...members });
const mid = (n = 1) => `m_shape_${customer}_${n}`;
const says = (members: Json) => item({ message: { mid: mid(), ...members } });
const echo = (members: Json) => ({
  ...says({ is_echo: true, app_id: 77, ...members }),
  sender: { id: pageId },
  recipient: { id: String(customer) },
});
const attached = (type: string, payload: Json | null, beside: Json = {}) => ({ attachments: [{ type, payload, ...beside }] });
const hello = () => says({ text: "Hello" });
const reacts = (members: Json) => item({ timestamp: at + 1_000, reaction: { mid: mid(), action: "react", ...members } });

test.each<[string, () => Json[], string[]]>([
  ["text", () => [says({ text: "Do you have it in red?" })], ["< text Do you have it in red?"]],
  ["text with what Meta's language model guessed", () => [says({ text: "hi", nlp: { intents: [] } })], ["< text hi"]],
  ["a command", () => [says({ text: "/help", commands: [{ name: "help" }] })], ["< text /help"]],
  [
    "an answer to a message",
    () => [hello(), says({ mid: mid(2), text: "This one", reply_to: { mid: mid() } })],
    ["< text Hello", "< text This one answers a message"],
  ],
  [
    "an answer to a story",
    () => [says({ text: "Nice", reply_to: { story: { id: "1", url: "https://cdn.example/s.jpg" } } })],
    ["< text Nice answers the story https://cdn.example/s.jpg"],
  ],
  [
    "a message by an ad",
    () => [says({ text: "More", referral: { ad_id: "1", ads_context_data: { ad_title: "Autumn" } } })],
    ["< text More Came by the ad “Autumn”"],
  ],
  ["a text as long as texts get", () => [says({ text: "a ".repeat(10_000) })], [`< text ${"a ".repeat(10_000)}`]],
  [
    "many scripts, signs and marks",
    () => [says({ text: "שלום नमस्ते 👩‍👧 e\u0301 a\u200bb \u202egnp" })],
    ["< text שלום नमस्ते 👩‍👧 e\u0301 a\u200bb \u202egnp"],
  ],
  ["tags and control characters", () => [says({ text: "<b>x</b>\u001b[31m\u0000\ud800" })], ["< text <b>x</b>\u001b[31m\u0000\ud800"]],
  ["an empty text", () => [says({ text: "" })], ["< note An empty message."]],
  [
    "a picture",
    () => [says(attached("image", { url: "https://cdn.example/p.jpg?a=1&b=%2F" }))],
    ["< picture Picture https://cdn.example/p.jpg?a=1&b=%2F"],
  ],
  [
    "a picture with a text",
    () => [says({ text: "Broken", ...attached("image", { url: "https://cdn.example/p.jpg" }) })],
    ["< text Broken picture Picture https://cdn.example/p.jpg"],
  ],
  [
    "a voice message",
    () => [says(attached("audio", { url: "https://cdn.example/v.mp4" }))],
    ["< audio Voice message https://cdn.example/v.mp4"],
  ],
  ["a film", () => [says(attached("video", { url: "https://cdn.example/v.mp4" }))], ["< video Video https://cdn.example/v.mp4"]],
  [
    "a file by its name",
    () => [says(attached("file", { url: "https://cdn.example/a/Bill%201.pdf?x=1" }))],
    ["< file Bill 1.pdf https://cdn.example/a/Bill%201.pdf?x=1"],
  ],
  [
    "a sticker as a picture",
    () => [says(attached("image", { url: "https://cdn.example/s.png", sticker_id: 36 }))],
    ["< picture Sticker https://cdn.example/s.png"],
  ],
  [
    "a sticker as such",
    () => [says(attached("sticker", { url: "https://cdn.example/s.png", sticker_id: 36 }))],
    ["< picture Sticker https://cdn.example/s.png"],
  ],
  [
    "a sticker in both forms, once",
    () => [
      says({ attachments: ["image", "sticker"].map((type) => ({ type, payload: { url: "https://cdn.example/s.png", sticker_id: 36 } })) }),
    ],
    ["< picture Sticker https://cdn.example/s.png"],
  ],
  [
    "a reel",
    () => [says(attached("reel", { url: "https://fb.example/r", title: "How to", reel_video_id: 1 }))],
    ["< link Reel: How to https://fb.example/r"],
  ],
  [
    "a post",
    () => [says(attached("post", { url: "https://fb.example/p", title: "New" }))],
    ["< link Shared post: New https://fb.example/p"],
  ],
  [
    "an appointment",
    () => [says(attached("appointment_booking", { title: "Repair", status: "REQUESTED" }))],
    ["< facts Appointment booking: Repair"],
  ],
  [
    "a shared page",
    () => [says(attached("fallback", { url: "https://shop.example/1", title: "Vase" }))],
    ["< link Shared link: Vase https://shop.example/1"],
  ],
  [
    "a shared page beside its attachment",
    () => [says(attached("fallback", null, { url: "https://shop.example/1", title: "Vase" }))],
    ["< link Shared link: Vase https://shop.example/1"],
  ],
  [
    "a shared page of which nothing is said",
    () => [says(attached("fallback", null))],
    ["< note Something was shared that Facebook does not pass on."],
  ],
  [
    "a place by its coordinates",
    () => [says(attached("location", { coordinates: { lat: 48.1, long: 11.5 } }))],
    ["< place Location: Location https://www.openstreetmap.org/?mlat=48.1&mlon=11.5#map=16/48.1/11.5"],
  ],
  [
    "a place by its link",
    () => [says(attached("location", null, { title: "Here", url: "https://maps.example/1" }))],
    ["< place Location: Here https://maps.example/1"],
  ],
  [
    "a product",
    () => [
      says(
        attached("template", {
          product: { elements: [{ id: "1", title: "Vase", subtitle: "9 EUR", image_url: "https://cdn.example/v.jpg" }] },
        }),
      ),
    ],
    ["< card Vase https://cdn.example/v.jpg"],
  ],
  ["an address that is a script", () => [says(attached("file", { url: "javascript:alert(1)" }, { title: "click" }))], ["< file click"]],
  ["a kind that nobody knows", () => [says(attached("hologram", { name: "Bo" }))], ["< facts Hologram: Bo"]],
  ["no attachments, as null", () => [says({ text: "x", attachments: null })], ["< text x"]],
  [
    "an echo of this app that was sent elsewhere",
    () => [hello(), echo({ mid: mid(2), app_id: app.appId, text: "Ours" })],
    ["< text Hello", `> text Ours sent by the app ${app.appId}`],
  ],
  [
    "an echo of another app, its id a number",
    () => [hello(), echo({ mid: mid(2), text: "Theirs" })],
    ["< text Hello", "> text Theirs sent by the app 77"],
  ],
  [
    "an echo of the page's own inbox",
    () => [hello(), echo({ mid: mid(2), app_id: null, text: "Hand" })],
    ["< text Hello", "> text Hand sent from the page's own inbox"],
  ],
  [
    "an echo with a picture",
    () => [echo(attached("image", { url: "https://cdn.example/p.jpg" }))],
    ["> picture Picture https://cdn.example/p.jpg sent by the app 77"],
  ],
  [
    "an echo of cards",
    () => [
      echo(
        attached("template", {
          template_type: "generic",
          elements: [{ title: "Hi", image_url: "https://cdn.example/h.jpg", buttons: [{ type: "postback", title: "Go", payload: "G" }] }],
        }),
      ),
    ],
    ["> card Hi [Go] https://cdn.example/h.jpg sent by the app 77"],
  ],
  [
    "an echo of buttons",
    () => [
      echo(
        attached("template", {
          template_type: "button",
          text: "Which?",
          buttons: [{ type: "web_url", title: "Site", url: "https://a.example" }],
        }),
      ),
    ],
    ["> text Which? card Card [Site] sent by the app 77"],
  ],
  [
    "an echo of media",
    () => [echo(attached("template", { template_type: "media", elements: [{ media_type: "image", url: "https://fb.example/1" }] }))],
    ["> link Picture: on Facebook https://fb.example/1 sent by the app 77"],
  ],
  [
    "an echo of a sticker",
    () => [echo(attached("sticker", { url: "https://cdn.example/s.png", sticker_id: 3 }))],
    ["> picture Sticker https://cdn.example/s.png sent by the app 77"],
  ],
  [
    "an echo with answers to choose from",
    () => [echo({ text: "Size?", quick_replies: [{ content_type: "text", title: "S", payload: "S" }, { content_type: "user_email" }] })],
    ["> text Size? sent by the app 77 (S) (E-mail address)"],
  ],
  ["a chosen answer", () => [says({ text: "S", quick_reply: { payload: "S" } })], ["< text S chosen"]],
  [
    "the first button, by a link",
    () => [item({ postback: { title: "Begin", payload: "B", referral: { ref: "poster", source: "SHORTLINK" } } })],
    ["< pressed Begin Came by the link “poster”"],
  ],
  ["a button without a payload", () => [item({ postback: { title: "Details" } })], ["< pressed Details"]],
  ["a button with nothing but JSON", () => [item({ postback: { payload: '{"type":"order","id":7}' } })], ["< pressed A button"]],
  ["a referral", () => [item({ referral: { ref: "poster", type: "OPEN_THREAD" } })], ["# referral"]],
  ["an opt-in by reference", () => [{ recipient: { id: pageId }, timestamp: at, optin: { ref: "box", user_ref: "u1" } }], ["# optin"]],
  ["a linked account", () => [item({ account_linking: { status: "linked" } })], ["# account_linking"]],
  ["a reaction", () => [hello(), reacts({ reaction: "love", emoji: "❤" })], ["< text Hello ❤"]],
  ["a reaction of several signs", () => [hello(), reacts({ reaction: "other", emoji: "👩‍👧" })], ["< text Hello 👩‍👧"]],
  ["a reaction written as code points", () => [hello(), reacts({ reaction: "love", emoji: "\\u{2764}\\u{FE0F}" })], ["< text Hello ❤️"]],
  ["a reaction without a sign", () => [hello(), reacts({ reaction: "sad", emoji: null })], ["< text Hello 😢"]],
  ["a reaction as a word", () => [hello(), reacts({ reaction: "wow" })], ["< text Hello 😮"]],
  ["a reaction before its message", () => [reacts({ reaction: "like", emoji: "👍" }), hello()], ["< text Hello 👍"]],
  [
    "a reaction taken back before it came",
    () => [hello(), { ...reacts({ action: "unreact" }), timestamp: at + 2_000 }, reacts({ emoji: "👍" })],
    ["< text Hello"],
  ],
  [
    "an edit",
    () => [hello(), item({ timestamp: at + 1_000, message_edit: { mid: mid(), text: "Hello!", num_edit: 1 } })],
    ["< text Hello! edited"],
  ],
  [
    "an edit by its other name, first",
    () => [item({ timestamp: at + 1_000, message_edits: { mid: mid(), text: "Hello!", num_edit: "1" } }), hello()],
    ["< text Hello! edited"],
  ],
  ["an unsent message, told in text", () => [hello(), says({ is_deleted: "true" })], ["< unsent"]],
  ["an unsent message, told before it", () => [says({ is_deleted: true }), hello()], ["< unsent"]],
  ["a receipt", () => [item({ read: { watermark: at } }), item({ delivery: { mids: [], watermark: at } })], ["# read", "# delivery"]],
  ["feedback on an answer", () => [item({ response_feedback: { feedback: "Good response", mid: "m" } })], ["# response_feedback"]],
  ["feedback on a talk", () => [item({ messaging_feedback: { feedback_screens: [] } })], ["# messaging_feedback"]],
  ["a talk handed over", () => [item({ pass_thread_control: { previous_owner_app_id: null } })], ["# pass_thread_control"]],
  ["a talk taken", () => [item({ take_thread_control: { new_owner_app_id: 1 } })], ["# take_thread_control"]],
  ["roles of apps", () => [{ recipient: { id: pageId }, timestamp: at, app_roles: { 1: ["primary_receiver"] } }], ["# app_roles"]],
  [
    "action against the page",
    () => [{ recipient: { id: pageId }, timestamp: at, policy_enforcement: { action: "block" } }],
    ["# policy_enforcement"],
  ],
  ["a message of nobody", () => [{ ...hello(), sender: {} }], ["# without a sender"]],
  ["something new", () => [item({ telepathy: {} })], ["# unknown shape"]],
  ["the time as text", () => [{ ...hello(), timestamp: String(at) }], ["< text Hello"]],
  ["the time in seconds, as text", () => [{ ...hello(), timestamp: String(at / 1_000) }], ["< text Hello"]],
  ["the time in seconds", () => [{ ...hello(), timestamp: at / 1_000 }], ["< text Hello"]],
  ["the time as a date", () => [{ ...hello(), timestamp: "2025-11-25T09:00:00+0000" }], ["< text Hello"]],
  ["the time as null", () => [{ ...hello(), timestamp: null }], ["< text Hello at the time of receipt"]],
  ["no time", () => [{ ...hello(), timestamp: undefined }], ["< text Hello at the time of receipt"]],
  ["a time that cannot be", () => [{ ...hello(), timestamp: -1 }], ["< text Hello at the time of receipt"]],
  [
    "every other member null",
    () => [
      {
        ...says({ text: "Hello", is_echo: null, is_deleted: null, app_id: null, quick_reply: null, reply_to: null, nlp: null }),
        postback: null,
        reaction: null,
        read: null,
        delivery: null,
      },
    ],
    ["< text Hello"],
  ],
  [
    "a button with a message of null",
    () => [item({ message: null, postback: { mid: null, title: "Yes", payload: null } })],
    ["< pressed Yes"],
  ],
  ["ids as numbers", () => [{ ...hello(), sender: { id: customer }, recipient: { id: Number(pageId) } }], ["< text Hello"]],
  ["the same message at another time, once", () => [hello(), { ...hello(), timestamp: at + 500 }], ["< text Hello"]],
])("%s", async (_name, items, lines) => {
  customer += 1;
  expect(
    await shown(
      pageId,
      items().map((one) => ({ messaging: [one] })),
    ),
  ).toEqual(lines);
});

test.each<[string, () => Json[], string[]]>([
  ["a picture", () => [says(attached("image", { url: "https://cdn.example/p.jpg" }))], ["< picture Picture https://cdn.example/p.jpg"]],
  [
    "a mention in a story",
    () => [says(attached("story_mention", { url: "https://cdn.example/s.jpg" }))],
    ["< picture Mentioned you in a story https://cdn.example/s.jpg"],
  ],
  [
    "a shared post in its old form",
    () => [says(attached("share", { url: "https://cdn.example/p" }))],
    ["< link Shared post https://cdn.example/p"],
  ],
  [
    "a shared post in both forms, once",
    () => [
      says({
        attachments: ["share", "ig_post"].map((type) => ({
          type,
          payload: { ig_post_media_id: "1", title: "Us", url: "https://cdn.example/p" },
        })),
      }),
    ],
    ["< link Shared Instagram post: Us https://cdn.example/p"],
  ],
  [
    "a reel",
    () => [says(attached("ig_reel", { reel_video_id: "1", title: "New", url: "https://cdn.example/r" }))],
    ["< link Instagram reel: New https://cdn.example/r"],
  ],
  ["a heart", () => [says(attached("like_heart", null))], ["< text ❤️"]],
  [
    "what Instagram does not pass on",
    () => [says({ is_unsupported: true })],
    ["< note Instagram does not pass this message on to other programs. Its own app shows it."],
  ],
  [
    "a kind that is not passed on",
    () => [says(attached("unsupported_type", {}))],
    ["< note This kind of message is not passed on to other programs. The sender's app shows it."],
  ],
  ["seen", () => [item({ read: { mid: "m" } })], ["# read"]],
  ["a reaction", () => [hello(), reacts({ reaction: "love", emoji: "❤️" })], ["< text Hello ❤️"]],
  ["an opening question", () => [item({ postback: { mid: mid(), title: "Where?", payload: "W" } })], ["< pressed Where?"]],
  ["a chosen answer", () => [says({ text: "Yes", quick_reply: { payload: "Y" } })], ["< text Yes chosen"]],
  ["a referral", () => [item({ referral: { ref: "x", source: "IGME" } })], ["# referral"]],
])("Instagram: %s", async (_name, items, lines) => {
  customer += 1;
  const own = items().map((one) => ({ messaging: [{ ...one, recipient: { id: account } }] }));
  expect(await shown(account, own)).toEqual(lines);
});

test("both lists of an entry are read, and changes that carry a message; other changes are named", async () => {
  customer += 1;
  const [one, two] = [says({ mid: mid(1), text: "one" }), { ...says({ mid: mid(2), text: "two" }), timestamp: at + 1 }];
  const three = { ...item({ postback: { mid: mid(3), title: "Buy" } }), timestamp: String(at / 1_000 + 2) };
  const lists = [
    { messaging: [], standby: [one] },
    { messaging: null, standby: [two] },
    { messaging: [], changes: [{ field: "messaging_postbacks", value: three }] },
    { changes: [{ field: "feed", value: { item: "comment" } }] },
  ];
  expect(await shown(pageId, lists)).toEqual(["< text one", "< text two", "< pressed Buy", "# changes/feed"]);
  customer += 1;
  expect(
    await shown(pageId, [
      { messaging: [says({ text: "ours" })], standby: [{ ...says({ mid: mid(2), text: "theirs" }), timestamp: at + 1 }] },
    ]),
  ).toEqual(["< text ours", "< text theirs"]);
  expect(await shown(account, [{ changes: [{ field: "comments", value: { text: "price?" } }] }])).toEqual(["# changes/comments"]);
});

test.each([
  [
    "the button Test of the dashboard",
    { object: "page", entry: [{ id: "0", changes: [{ field: "messages", value: { message: { mid: "x" } } }] }] },
    "Facebook's test",
  ],
  [
    "its other form",
    { object: "page", entry: [{ id: "0", messaging: [{ sender: { id: "1" }, message: { mid: "random_mid", text: "x" } }] }] },
    "Facebook's test",
  ],
  ["nothing", { object: "page", entry: [] }, "empty"],
  ["an entry with nothing", { object: "page", entry: [{ id: pageId, messaging: [] }] }, "empty"],
  ["another object", { object: "user", entry: [{ id: "1", changed_fields: ["photos"] }] }, "unknown object user"],
  ["no object", { entry: [] }, "unknown shape"],
  ["a list", [], "unknown shape"],
  ["text", "hello", "not JSON"],
])("%s is answered 200 and named", async (_name, body, kind) => {
  const before = (await platform.request("GET", "/health")).json.kinds[kind] ?? 0;
  expect((await platform.deliver(body)).status).toBe(200);
  expect((await platform.request("GET", "/health")).json.kinds[kind]).toBe(before + 1);
});

test("a note to oneself is none of a customer's", async () => {
  const self = { ...says({ text: "note", is_self: true, is_echo: true }), sender: { id: account }, recipient: { id: account } };
  expect((await platform.deliver({ object: "instagram", entry: [{ id: account, messaging: [self] }] })).status).toBe(200);
  const id = airyId(airyId("instagram", account), account);
  expect((await platform.call("/conversations.info", { conversation_id: id })).json.metadata.contact.display_name).toBe("Notes to self");
  const { json } = await platform.call("/messages.list", { conversation_id: id });
  expect(json.data.map((message: Json) => [message.from_contact, message.content.message.text])).toEqual([[false, "note"]]);
});

test("pages that are not connected wait; in one delivery the others do not", async () => {
  customer += 1;
  const theirs = { id: "990077", messaging: [{ ...hello(), recipient: { id: "990077" } }] };
  const body = { object: "page", entry: [{ id: pageId, messaging: [says({ mid: mid(1), text: "mine" })] }, theirs] };
  expect((await platform.deliver(body)).status).toBe(200);
  expect(await platform.texts(airyId(airyId("facebook", pageId), String(customer)))).toEqual(["mine"]);
  expect((await platform.request("GET", "/health")).json.waiting).toEqual([
    { source: "facebook", source_channel_id: "990077", deliveries: 1 },
  ]);
});
