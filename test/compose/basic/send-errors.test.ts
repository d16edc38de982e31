/** Every error of the Send API, planted in the stand-in: what the platform makes of it, and what it says to whoever wrote the message. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGraphClient, type GraphClient, type GraphFailure } from "../../../compose/basic/src/facebook/graph.ts";
import { explain } from "../../../compose/basic/src/facebook/send-errors.ts";
import { type Receiver, platformLike, startReceiver } from "../sandbox/receiver.ts";
import { type StandIn, app, page, startStandIn } from "../sandbox/stand-in.ts";

const ADA = "24000000000000001";
let standIn: StandIn;
let receiver: Receiver;
let graph: GraphClient;

beforeAll(async () => {
  standIn = await startStandIn();
  receiver = await startReceiver(platformLike("verify"));
  await standIn.subscribe(`${receiver.url}/facebook`, "verify");
  await standIn.command("POST", "/sandbox/events", { kind: "message", text: "hello" });
  graph = createGraphClient({ graphUrl: standIn.url, appSecret: app.secret });
});
afterAll(async () => {
  await standIn.close();
  await receiver.close();
});

const send = (by = graph) => by.send(page.token, ADA, { message: { text: "hi" }, tag: null, file: null }, new AbortController().signal);
const failed = (work: Promise<unknown>): Promise<GraphFailure> =>
  work.then(
    () => expect.unreachable("it did not fail"),
    (error: GraphFailure) => error,
  );

/** Preset, whether it is tried again, and a word of what is said. */
const errors: [preset: string, again: boolean, said: RegExp][] = [
  ["send-window", false, /24 hours.*Human Agent/],
  ["send-window-instagram", false, /24 hours/],
  ["send-window-permission", false, /24 hours/],
  ["send-blocked", false, /blocked the page/],
  ["send-unavailable", false, /cannot be reached/],
  ["send-unavailable-200", false, /cannot be reached/],
  ["send-nobody", false, /never wrote to this page/],
  ["send-nobody-instagram", false, /never wrote to this page/],
  ["send-no-role", false, /people with a role/],
  ["send-owner", false, /another app has the conversation/],
  ["send-owner-instagram", false, /another app has the conversation/],
  ["send-restricted", false, /Support Inbox/],
  ["policy", false, /Support Inbox/],
  ["send-refused", false, /lacks a permission.*new token/],
  ["permission", false, /lacks a permission.*new token/],
  ["permission-messaging", false, /lacks a permission.*new token/],
  ["no-capability", false, /lacks a permission/],
  ["token-expired", false, /connect the page again/],
  ["token-password", false, /connect the page again/],
  ["token-removed", false, /connect the page again/],
  ["token-invalid", false, /connect the page again/],
  ["no-object", false, /./],
  ["send-fetch", false, /fetch the file/],
  ["transient", true, /try again later/],
  ["unavailable", true, /try again later/],
  ["unknown", true, /try again later/],
  ["limit-app", true, /try again later/],
  ["limit-page", true, /try again later/],
  ["send-limit", true, /try again later/],
  ["send-limit-instagram", true, /try again later/],
  ["limit-business", true, /try again later/],
];

test.each(errors)("%s", async (preset, again, said) => {
  expect((await standIn.command("POST", "/sandbox/faults", { path: "me/messages", preset })).status).toBe(200);
  const failure = await failed(send());
  expect({ kind: failure.kind, again: failure.transient }).toEqual({ kind: "refused", again });
  expect(explain(failure)).toMatch(said);
  // Facebook's own sentence comes first, and its answer is kept as it was, with the trace id.
  expect(explain(failure).startsWith(failure.message)).toBe(true);
  expect(failure.raw).toContain("fbtrace_id");
  expect(failure.deadToken).toBe(preset.startsWith("token-"));
});

test.each(["reset", "empty-500", "html-502"])("%s: whether it was delivered is not known, and it is not sent twice", async (preset) => {
  await standIn.command("POST", "/sandbox/faults", { path: "me/messages", preset });
  const failure = await failed(send());
  expect({ kind: failure.kind, again: failure.transient }).toEqual({ kind: "unknown", again: false });
  expect(explain(failure)).toMatch(/whether the message was delivered is not known/);
});

test("each call carries a proof with its time; where the clocks differ, one without", async () => {
  await standIn.command("POST", "/sandbox/apps", { id: app.id, name: app.name, requireProof: true });
  expect(await send()).toMatch(/^m_/);
  await standIn.command("POST", "/sandbox/clock", { advanceMinutes: 30 });
  expect(await send()).toMatch(/^m_/);
  const wrong = createGraphClient({ graphUrl: standIn.url, appSecret: "another" });
  expect((await failed(send(wrong))).message).toContain("appsecret_proof");
  await standIn.command("POST", "/sandbox/apps", { id: app.id, name: app.name, requireProof: false });
});

test("another version of the Graph API is asked where one is named", async () => {
  const seen: string[] = [];
  const recording = await startReceiver(({ url }, res) => {
    seen.push(`${url.pathname} ${url.searchParams.has("appsecret_proof")} ${url.searchParams.has("appsecret_time")}`);
    res.end('{"message_id":"m_1"}');
  });
  await send(createGraphClient({ graphUrl: `${recording.url}/`, graphVersion: "v25.0", appSecret: "x" }));
  await send(createGraphClient({ graphUrl: recording.url, appSecret: "x" }));
  expect(seen).toEqual(["/v25.0/me/messages true true", "/v26.0/me/messages true true"]);
  await recording.close();
});
