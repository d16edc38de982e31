/** The Send API as strict as Facebook's: whom, when, what, with which right. */
import { createHmac } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createHttpClient } from "../../../cli/io/http.ts";
import { type Received, type Receiver, platformLike, startReceiver } from "./receiver.ts";
import { type Json, type StandIn, app, appToken, page, startStandIn } from "./stand-in.ts";

const http = createHttpClient();
const run = promisify(execFile);
const ADA = "24000000000000001";
const posted = (request: Received) => request.method === "POST";
let standIn: StandIn;
let receiver: Receiver;

beforeEach(async () => {
  standIn = await startStandIn();
  receiver = await startReceiver(platformLike("right-token"));
  await standIn.subscribe(`${receiver.url}/facebook`, "right-token", ["messages", "message_echoes", "messaging_handovers", "standby"]);
  await standIn.command("POST", "/sandbox/events", { kind: "message", text: "hello" });
});

afterEach(async () => {
  await standIn.close();
  await receiver.close();
});

const send = (changes: Json = {}, token = page.token) =>
  standIn.call("POST", "/v26.0/me/messages", token, {
    recipient: { id: ADA },
    messaging_type: "RESPONSE",
    message: { text: "hi" },
    ...changes,
  });
const verdict = ({ status, json }: { status: number; json: Json }) => (status === 200 ? 200 : [json.error.code, json.error.error_subcode]);
const advance = (hours: number) => standIn.command("POST", "/sandbox/clock", { advanceMinutes: hours * 60 });
const setCustomer = (changes: Json) => standIn.command("POST", "/sandbox/customers", { id: ADA, ...changes });
const lastEvent = (): Json => JSON.parse(receiver.requests.filter(posted).at(-1)!.body.toString()).entry[0];

test("24 hours from the customer's last message, then a tag, HUMAN_AGENT for seven days", async () => {
  await advance(25);
  expect(verdict(await send())).toEqual([10, 2018278]);
  expect(verdict(await send({ messaging_type: "UPDATE" }))).toEqual([10, 2018278]);
  expect(verdict(await send({ messaging_type: "MESSAGE_TAG", tag: "ACCOUNT_UPDATE" }))).toBe(200);
  expect(verdict(await send({ messaging_type: "MESSAGE_TAG", tag: "HUMAN_AGENT" }))).toBe(200);
  await advance(24 * 7);
  expect(verdict(await send({ messaging_type: "MESSAGE_TAG", tag: "HUMAN_AGENT" }))).toEqual([10, 2018278]);
  await standIn.command("POST", "/sandbox/events", { kind: "message", text: "me again" });
  expect(verdict(await send())).toBe(200);
});

test.each<[string, Json, unknown]>([
  ["nobody", { recipient: { id: "99" } }, [100, 2018001]],
  ["somebody who never wrote", { recipient: { id: "24000000000000002" } }, [100, 2018001]],
  ["a strange messaging_type", { messaging_type: "SPAM" }, [100, undefined]],
  ["a tag that is none", { messaging_type: "MESSAGE_TAG", tag: "SALE" }, [100, undefined]],
  ["MESSAGE_TAG without tag", { messaging_type: "MESSAGE_TAG" }, [100, undefined]],
  ["2001 characters", { message: { text: "x".repeat(2_001) } }, [100, undefined]],
  ["2000 characters", { message: { text: "🙂".repeat(2_000) } }, 200],
  [
    "text and attachment",
    { message: { text: "x", attachment: { type: "image", payload: { url: "https://x.example" } } } },
    [100, undefined],
  ],
  ["an attachment of no type", { message: { attachment: { type: "hologram", payload: {} } } }, [100, undefined]],
  ["a picture without address", { message: { attachment: { type: "image", payload: {} } } }, [100, undefined]],
  ["an id of no attachment", { message: { attachment: { type: "image", payload: { attachment_id: "7" } } } }, [100, 2018074]],
  [
    "14 quick replies",
    { message: { text: "x", quick_replies: Array.from({ length: 14 }, () => ({ content_type: "text", title: "a", payload: "b" })) } },
    [100, undefined],
  ],
  [
    "a template without elements",
    { message: { attachment: { type: "template", payload: { template_type: "generic", elements: [] } } } },
    [100, undefined],
  ],
  [
    "four buttons",
    {
      message: {
        attachment: {
          type: "template",
          payload: {
            template_type: "button",
            text: "x",
            buttons: Array.from({ length: 4 }, () => ({ type: "postback", title: "a", payload: "b" })),
          },
        },
      },
    },
    [100, undefined],
  ],
  ["an unknown persona", { persona_id: "4711" }, [100, 33]],
  ["a strange sender_action", { message: undefined, sender_action: "dance" }, [100, undefined]],
  ["a private reply to a comment", { recipient: { comment_id: "5_6" } }, 200],
])("%s", async (_, changes, expected) => {
  expect(verdict(await send(changes))).toEqual(expected);
});

test("people who blocked the page, left, or have no role on an app in development", async () => {
  await setCustomer({ reach: "blocked" });
  expect(verdict(await send())).toEqual([10, 2018108]);
  await setCustomer({ reach: "unavailable" });
  expect(verdict(await send())).toEqual([551, 1545041]);
  await setCustomer({ reach: "reachable", tester: false });
  await standIn.command("POST", "/sandbox/apps", { id: app.id, name: app.name, mode: "development" });
  expect(verdict(await send())).toEqual([200, 2018028]);
  expect((await standIn.command("POST", "/sandbox/events", { kind: "message", text: "?" })).json.error.layer).toBe("role");
});

test("sender actions answer the recipient alone, and change what the customer sees", async () => {
  const mid = (await send()).json.message_id as string;
  for (const action of ["typing_on", "mark_seen"]) {
    expect((await send({ message: undefined, sender_action: action })).json).toEqual({ recipient_id: ADA });
  }
  await send({ message: undefined, sender_action: "react", payload: { message_id: mid, reaction: "love" } });
  const { json } = await standIn.command("GET", `/sandbox/conversations/${ADA}`);
  expect(json.customer).toMatchObject({ typing: true });
  expect(json.customer.seenByPage).toBeGreaterThan(0);
  expect(json.messages.at(-1)).toMatchObject({ mid, reactions: { page: "love" } });
});

test("Meta's documented curls, as they stand: query with single quotes and bare keys, form with brackets, multipart upload", async () => {
  const { url } = standIn;
  const query = `recipient={'id':'${ADA}'}&messaging_type=RESPONSE&message={'text':'hello, world'}&access_token=${page.token}`;
  const bare = `recipient={id:${ADA}}&message={text:'You did it!'}&access_token=${page.token}`;
  for (const each of [query, bare]) {
    const answer = await http({ method: "POST", url: `${url}/v26.0/${page.id}/messages?${encodeURI(each)}` });
    expect([answer.status, answer.body.toString()]).toEqual([200, expect.stringContaining(ADA)]);
  }
  const brackets = `recipient[id]=${ADA}&message[text]=from+a+form&access_token=${page.token}`;
  const form = { "content-type": "application/x-www-form-urlencoded" };
  expect((await http({ method: "POST", url: `${url}/me/messages`, headers: form, body: brackets })).status).toBe(200);

  const upload = new FormData();
  upload.append("recipient", `{"id":"${ADA}"}`);
  upload.append("message", '{"attachment":{"type":"image","payload":{"is_reusable":true}}}');
  upload.append("filedata", new Blob(["png bytes"], { type: "image/png" }), "shirt one.png");
  const uploaded = (await (await fetch(`${url}/me/messages?access_token=${page.token}`, { method: "POST", body: upload })).json()) as Json;
  expect(uploaded).toEqual({ recipient_id: ADA, message_id: expect.any(String), attachment_id: expect.stringMatching(/^\d+$/) });
  expect(verdict(await send({ message: { attachment: { type: "image", payload: { attachment_id: uploaded.attachment_id } } } }))).toBe(200);
  const { messages } = (await standIn.command("GET", `/sandbox/conversations/${ADA}`)).json;
  const picture = await http({ url: messages.at(-1).message.attachments[0].payload.url });
  expect([picture.status, picture.headers["content-type"], picture.body.toString()]).toEqual([200, "image/png", "png bytes"]);
  const texts = (messages as Json[]).map(({ message }) => message?.text).filter(Boolean);
  expect(texts).toEqual(["hello", "hello, world", "You did it!", "from a form"]);
});

test("curl itself: braces that it takes for its own, forms, files, batches, several reads", { timeout: 60_000 }, async () => {
  const curl = async (...args: string[]): Promise<Json> => JSON.parse((await run("curl", ["-s", ...args])).stdout) as Json;
  const base = `${standIn.url}/v26.0`;
  const end = `access_token=${page.token}`;
  const user = (await standIn.command("POST", "/sandbox/tokens", { type: "user" })).json.token as string;
  const file = path.join(mkdtempSync(path.join(tmpdir(), "airy-curl-")), "shirt.png");
  onTestFinished(() => rmSync(path.dirname(file), { recursive: true }));
  writeFileSync(file, "png bytes");
  const callback = encodeURIComponent(`${receiver.url}/facebook`);
  const sample = `object=page&callback_url=${callback}&fields=about%2C+picture&include_values=true&verify_token=right-token`;
  expect(await curl("-X", "POST", `${base}/${app.id}/subscriptions?${sample}&access_token=${encodeURIComponent(appToken)}`)).toEqual({
    success: true,
  });
  expect(
    await curl("-X", "POST", `${base}/${page.id}/messages?recipient={'id':'${ADA}'}&messaging_type=RESPONSE&message={'text':'one'}&${end}`),
  ).toMatchObject({ recipient_id: ADA });
  expect(
    await curl("-g", "-X", "POST", `${base}/${page.id}/messages?recipient={'id':'${ADA}'}&message={'text':'hello,world'}&${end}`),
  ).toMatchObject({ recipient_id: ADA });
  expect(
    await curl(`${base}/me/messages`, "--data", `recipient={"id":"${ADA}"}`, "--data", 'message={"text":"Hello, world"}', "--data", end),
  ).toMatchObject({ recipient_id: ADA });
  const picture = 'message={"attachment":{"type":"image", "payload":{"is_reusable":true}}}';
  const upload = ["-F", picture, "-F", `filedata=@${file};type=image/png`];
  expect(await curl(...upload, `${base}/me/message_attachments?${end}`)).toEqual({ attachment_id: expect.any(String) });
  expect(await curl("-F", `recipient={"id":"${ADA}"}`, ...upload, `${base}/me/messages?${end}`)).toMatchObject({
    attachment_id: expect.any(String),
  });

  const parts = JSON.stringify([
    { method: "GET", relative_url: "me" },
    { method: "GET", relative_url: page.id },
  ]);
  const named = await curl("-g", "-X", "POST", `${standIn.url}/me?batch=${encodeURIComponent(parts)}&include_headers=false&${end}`);
  expect((named as unknown as Json[]).map(({ code, headers }) => [code, headers])).toEqual([
    [200, []],
    [200, []],
  ]);
  const dependent = JSON.stringify([
    { method: "GET", name: "pages", relative_url: "me/accounts?limit=5" },
    { method: "GET", relative_url: "?ids={result=pages:$.data.*.id}&fields=name" },
    { method: "POST", relative_url: "?batch=[]" },
  ]);
  const [first, second, third] = (await curl(
    "-F",
    `access_token=${user}`,
    "-F",
    `batch=${dependent}`,
    `${standIn.url}/`,
  )) as unknown as Json[];
  expect([first, JSON.parse(second!.body), third!.code]).toEqual([null, { [page.id]: { id: page.id, name: page.name } }, 400]);
  expect(await curl(`${base}/?ids=${page.id},${ADA}&fields=id&${end}`)).toEqual({ [page.id]: { id: page.id }, [ADA]: { id: ADA } });
  const linked = await curl("-g", `${base}/${page.id}?fields=instagram_business_account{id,username}&${end}`);
  expect(linked.instagram_business_account).toEqual({ id: expect.stringMatching(/^178/), username: expect.any(String) });

  const label = (await curl(`${base}/me/custom_labels?${end}`, "-H", "Content-Type: application/json", "-d", '{"page_label_name":"VIP"}'))
    .id as string;
  await curl(`${base}/${label}/label?${end}`, "-H", "Content-Type: application/json", "-d", JSON.stringify({ user: ADA }));
  expect((await curl(`${base}/${ADA}/custom_labels?fields=name&${end}`)).data).toMatchObject([{ name: "VIP", id: label }]);
});

test("ids above 2^53 keep their digits, also as bare numbers", async () => {
  await standIn.command("POST", "/sandbox/events", { kind: "message", text: "x", from: "24012345678901233" });
  const body = `{"recipient":{"id":24012345678901233},"message":{"text":"1234567890123456789 \\"24012345678901234\\""}}`;
  const headers = { "content-type": "application/json", authorization: `OAuth ${page.token}` };
  const answer = await http({ method: "POST", url: `${standIn.url}/me/messages`, headers, body });
  expect(JSON.parse(answer.body.toString())).toMatchObject({ recipient_id: "24012345678901233" });
  const { json } = await standIn.command("GET", "/sandbox/conversations/24012345678901233");
  expect(json.messages.at(-1).message.text).toBe('1234567890123456789 "24012345678901234"');
});

test("appsecret_proof: wrong ones are refused, and all calls need one where the app demands it", async () => {
  const proof = (token: string, time?: string) =>
    createHmac("sha256", app.secret)
      .update(time ? `${token}|${time}` : token)
      .digest("hex");
  expect(verdict(await send({ appsecret_proof: "wrong" }))).toEqual([100, undefined]);
  expect(verdict(await send({ appsecret_proof: proof(page.token) }))).toBe(200);
  await standIn.command("POST", "/sandbox/apps", { id: app.id, name: app.name, requireProof: true });
  expect((await send()).json.error.message).toContain("require an appsecret_proof");
  expect(verdict(await send({ appsecret_proof: proof(page.token) }))).toBe(200);
  const now = String(Math.floor(Date.now() / 1_000));
  expect(verdict(await send({ appsecret_proof: proof(page.token, now), appsecret_time: now }))).toBe(200);
  expect((await standIn.call("GET", `/app?appsecret_proof=${proof(appToken)}`, appToken)).status).toBe(200);
  expect((await standIn.call("GET", "/app", appToken)).status).toBe(400);
});

test("the platform's vector of appsecret_proof", () => {
  expect(createHmac("sha256", "test_app_secret").update("EAAtesttoken").digest("hex")).toBe(
    "2f6c99f265a9e1644d725e8f9c96e439fcbf40a73357d1d98ba8b98fbfe445e4",
  );
});

describe("several apps on a page", () => {
  const second = { id: "777", secret: "second-secret", name: "Second App" };
  const secondToken = `${second.id}|${second.secret}`;
  let other: Receiver;
  let token: string;

  beforeEach(async () => {
    other = await startReceiver(platformLike("other-token"));
    await standIn.command("POST", "/sandbox/apps", second);
    token = (await standIn.command("POST", "/sandbox/tokens", { type: "page", appId: second.id })).json.token as string;
    const fields = ["messages", "standby", "messaging_postbacks"];
    await standIn.call("POST", `/${second.id}/subscriptions`, secondToken, {
      object: "page",
      callback_url: `${other.url}/hook`,
      verify_token: "other-token",
      fields,
    });
    await standIn.call("POST", "/me/subscribed_apps", token, { subscribed_fields: fields });
  });
  afterEach(() => other.close());

  test("each gets everything, signed with its own secret; echoes name who sent", async () => {
    await standIn.command("POST", "/sandbox/events", { kind: "message", text: "for all" });
    const mine = await receiver.nth(1, posted);
    const theirs = await other.nth(0, posted);
    const sign = (secret: string, body: Buffer) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
    expect(mine.headers["x-hub-signature-256"]).toBe(sign(app.secret, mine.body));
    expect(theirs.headers["x-hub-signature-256"]).toBe(sign(second.secret, theirs.body));
    await send({}, token);
    const echo = await receiver.nth(2, posted);
    expect(JSON.parse(echo.body.toString()).entry[0].messaging[0].message).toMatchObject({ is_echo: true, app_id: 777 });
  });

  test("handover: the owner gets messaging, the others standby, and only the owner may write", async () => {
    const passed = await standIn.call("POST", "/me/pass_thread_control", page.token, {
      recipient: { id: ADA },
      target_app_id: second.id,
      metadata: "yours",
    });
    expect(passed.json).toEqual({ success: true });
    await expect
      .poll(() => lastEvent().messaging?.[0].pass_thread_control)
      .toMatchObject({ new_owner_app_id: second.id, metadata: "yours" });
    expect((await standIn.call("GET", `/me/thread_owner?recipient=${ADA}`, page.token)).json).toEqual({
      data: [{ thread_owner: { app_id: second.id } }],
    });
    expect(verdict(await send())).toEqual([10, 2018300]);
    await standIn.command("POST", "/sandbox/events", { kind: "message", text: "to the other one" });
    await expect.poll(() => lastEvent().standby?.[0].message.text).toBe("to the other one");
    await other.nth(0, ({ body }) => body.includes('"messaging":[{') && body.includes("to the other one"));
    await standIn.call("POST", "/me/take_thread_control", page.token, { recipient: { id: ADA } });
    expect(verdict(await send())).toBe(200);
  });
});
