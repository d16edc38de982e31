/** What keeps webhook and pages registered while the workspace runs, against the stand-in. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Registration } from "../../../cli/agent/registration.ts";
import type { AiryEventBody } from "../../../cli/events.ts";
import { createHttpClient } from "../../../cli/io/http.ts";
import type { CheckedPage } from "../../../cli/sources/facebook/pages.ts";
import { createFacebookSource } from "../../../cli/sources/facebook/registrar.ts";
import { type Receiver, platformLike, startReceiver } from "../../compose/sandbox/receiver.ts";
import { type StandIn, app, appToken, startStandIn } from "../../compose/sandbox/stand-in.ts";

let standIn: StandIn;
let platform: Receiver;
let ended: AbortController;
let events: AiryEventBody[];
let page: CheckedPage;

beforeEach(async () => {
  standIn = await startStandIn();
  platform = await startReceiver(platformLike("verify"));
  ended = new AbortController();
  events = [];
  page = { source: "facebook", source_channel_id: "7", name: "Shop", state: "ok", message: null };
});
afterEach(async () => {
  ended.abort();
  await standIn.close();
  await platform.close();
});

const target = () => ({ callbackUrl: `${platform.url}/facebook`, verifyToken: "verify", previousUrls: [] });
const asked = { replaceWebhook: false, asked: true };

function registration(changes: { appSecret?: string } = {}): Registration {
  const given = { http: createHttpClient(), graphUrl: standIn.url, appId: app.id, appSecret: app.secret, retryDelaysMs: [], ...changes };
  return new Registration({
    source: createFacebookSource(given),
    pages: async () => [page],
    connectOwn: null,
    emit: (event) => void events.push(event),
    signal: ended.signal,
    log: () => {},
  });
}

function warnings(): string[] {
  return events.flatMap((event) => (event.type === "warning" ? [`${event.code} ${event.message}`] : []));
}

const forget = () => standIn.call("DELETE", `/v26.0/${app.id}/subscriptions`, appToken);

test("a webhook that got lost is registered again while nobody looks, and it is said", async () => {
  const watching = registration().watch(target(), 5);
  await expect.poll(warnings).toContainEqual(expect.stringContaining("WEBHOOK_REPAIRED The webhook was gone"));
  await forget();
  await expect.poll(() => warnings().filter((text) => text.includes("The webhook was gone")).length).toBe(2);
  ended.abort();
  await watching;
});

test("a page that is no longer subscribed, and one whose token is dead, are named, with the command that mends it; once", async () => {
  const kept = registration();
  await kept.check(target(), asked);
  page = { ...page, state: "repaired" };
  expect(await kept.check(target(), asked)).toEqual({
    repairs: [expect.stringContaining("The page Shop (7) was not subscribed")],
    failure: null,
  });
  page = { ...page, state: "broken", message: "Session has expired" };
  events = [];
  await kept.check(target(), asked);
  await kept.check(target(), asked);
  const broken = events.filter((event) => event.type === "warning");
  expect(broken).toMatchObject([{ code: "PAGE_BROKEN", action: "FACEBOOK_USER_TOKEN=... airy webhook connect --page 7" }]);
});

test("what fails is told once, and the same again after it was well", async () => {
  const kept = registration({ appSecret: "wrong" });
  expect((await kept.check(target(), asked)).failure).toMatchObject({ code: "FB_SECRET_WRONG" });
  await kept.check(target(), asked);
  expect(warnings()).toHaveLength(1);
});

test("what was given back on purpose stays so until somebody asks", async () => {
  const kept = registration();
  await kept.check(target(), asked);
  await forget();
  kept.release();
  expect(await kept.check(target(), { ...asked, asked: false })).toEqual({ repairs: [], failure: null });
  expect((await kept.check(target(), asked)).repairs).toHaveLength(2);
});
