/** The clients for the stand-in's command channel and for the platform's page connection. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../../cli/io/http.ts";
import { type AiryError, exitCode, whyOf } from "../../../../cli/errors.ts";
import { connectPage, subscribeStandInPage } from "../../../../cli/sources/facebook/connect.ts";
import { type StandIn as Target, type TriggerEvent, triggerEvent } from "../../../../cli/sources/facebook/trigger.ts";
import { type Receiver, platformLike, startReceiver } from "../../../compose/sandbox/receiver.ts";
import { type StandIn, commandToken, page, startStandIn } from "../../../compose/sandbox/stand-in.ts";

const http = createHttpClient();
let standIn: StandIn;
let receiver: Receiver;

beforeEach(async () => {
  standIn = await startStandIn();
  receiver = await startReceiver(platformLike("right-token"));
});

afterEach(async () => {
  await standIn.close();
  await receiver.close();
});

function trigger(event: Partial<TriggerEvent> = {}, target: Partial<Target> = {}) {
  return triggerEvent({ http, sandboxUrl: standIn.url, commandToken, ...target }, { kind: "message", text: "Hi there", ...event });
}

function connect(platformUrl = receiver.url) {
  return connectPage({ http, platformUrl, pageId: page.id, pageToken: page.token, name: page.name });
}

async function failure(work: Promise<unknown>): Promise<AiryError> {
  const error = await work.then(
    () => expect.unreachable("it did not fail"),
    (error: AiryError) => error,
  );
  for (const secret of [commandToken, page.token]) expect(JSON.stringify(error.details) + whyOf(error)).not.toContain(secret);
  return error;
}

test("a message is written and its delivery reported", async () => {
  await standIn.subscribe(`${receiver.url}/facebook`, "right-token");
  const result = await trigger({ from: "77" });
  expect(result).toMatchObject({ mid: expect.stringMatching(/^m_/), customerId: "77", pageId: page.id, status: 200 });
  expect(result.deliveries).toMatchObject([{ status: 200, held: false, attempts: 1 }]);
  const delivered = JSON.parse((await receiver.nth(0, ({ method }) => method === "POST")).body.toString());
  expect(delivered.entry[0].messaging[0]).toMatchObject({ sender: { id: "77" }, message: { text: "Hi there" } });
});

test("what the webhook answered is a result, also when it refused", async () => {
  await standIn.subscribe(`${receiver.url}/facebook`, "right-token");
  receiver.react((_, res) => res.writeHead(401).end());
  expect(await trigger()).toMatchObject({ status: 401, deliveries: [{ attempts: 3 }] });
});

test("without a subscription the missing layer is named", async () => {
  const error = await failure(trigger());
  expect({ code: error.code, exit: exitCode(error), layer: error.details.layer }).toEqual({
    code: "TRIGGER_NOT_SUBSCRIBED",
    exit: 22,
    layer: "app",
  });
  expect(whyOf(error)).toContain("The app has no webhook");
});

test("a refused command, something else at the port, and nothing at the port", async () => {
  const refused = await failure(trigger({ text: "" }));
  expect({ code: refused.code, status: refused.details.status }).toEqual({ code: "TRIGGER_REFUSED", status: 400 });
  expect((await failure(trigger({}, { commandToken: "wrong" }))).details.status).toBe(401);
  const other = await failure(trigger({}, { sandboxUrl: receiver.url }));
  expect({ code: other.code, cause: other.details.cause }).toEqual({ code: "SANDBOX_UNREACHABLE", cause: "NOT_JSON" });
  await standIn.close();
  const gone = await failure(trigger());
  expect({ code: gone.code, exit: exitCode(gone), cause: gone.details.cause }).toEqual({
    code: "SANDBOX_UNREACHABLE",
    exit: 13,
    cause: "ECONNREFUSED",
  });
  standIn = await startStandIn();
});

test("a page is connected through the platform, in the shape of its API", async () => {
  const channel = { id: "79ef309a-6bfd-5f20-9feb-9337cca173c5", source: "facebook", source_channel_id: page.id, connected: true };
  receiver.react((_, res) => res.end(JSON.stringify({ ...channel, metadata: { page_token: page.token } })));
  expect(await connect()).toEqual({ channelId: channel.id });
  const [request] = receiver.requests;
  expect({ method: request!.method, path: request!.url.pathname, type: request!.headers["content-type"] }).toEqual({
    method: "POST",
    path: "/channels.facebook.connect",
    type: "application/json",
  });
  expect(JSON.parse(request!.body.toString())).toEqual({ page_id: page.id, page_token: page.token, name: page.name });
});

test.each([
  ["Facebook's refusal", 500, JSON.stringify({ message: `token ${page.token} is bad` }), "token *** is bad"],
  ["an empty error", 503, "", "answered 503."],
  ["another page", 200, JSON.stringify({ id: "x", source_channel_id: "other", connected: true }), "answered 200."],
])("%s fails the connection", async (_, status, body, evidence) => {
  receiver.react((__, res) => res.writeHead(status).end(body));
  const error = await failure(connect());
  expect({ code: error.code, exit: exitCode(error) }).toEqual({ code: "FB_CONNECT_FAILED", exit: 22 });
  expect(whyOf(error)).toContain(evidence);
});

test("without our platform the page of the stand-in is subscribed directly, its token in no address", async () => {
  const addresses: string[] = [];
  const plain = createHttpClient();
  const http: typeof plain = (request) => {
    addresses.push(request.url);
    return plain(request);
  };
  const given = { http, graphUrl: standIn.url, graphVersion: "v25.0", pageId: page.id };
  await subscribeStandInPage({ ...given, pageToken: page.token });
  expect((await standIn.command("GET", "/sandbox/state")).json.page.subscribedFields).toContain("messages");
  expect(addresses).toEqual([`${standIn.url}/v25.0/${page.id}/subscribed_apps`]);
  expect((await failure(subscribeStandInPage({ ...given, pageToken: "wrong" }))).code).toBe("FB_CONNECT_FAILED");
});

test("a platform that is gone fails the connection", async () => {
  await receiver.close();
  expect((await failure(connect())).details.cause).toBe("ECONNREFUSED");
  receiver = await startReceiver(platformLike("right-token"));
});
