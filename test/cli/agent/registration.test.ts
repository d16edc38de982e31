/** What keeps webhook and pages registered while the workspace runs, against the stand-in. */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { Registration } from "../../../cli/agent/registration.ts";
import type { AiryEventBody } from "../../../cli/events.ts";
import { createHttpClient } from "../../../cli/io/http.ts";
import type { CheckedPage } from "../../../cli/sources/facebook/pages.ts";
import { fileLease } from "../../../cli/sources/lease.ts";
import type { Lease } from "../../../cli/sources/source.ts";
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

interface Changes {
  appSecret?: string;
  lease?: Lease;
  pages?: () => Promise<CheckedPage[]>;
}

function registration({ pages = async () => [page], ...changes }: Changes = {}): Registration {
  const given = { http: createHttpClient(), graphUrl: standIn.url, appId: app.id, appSecret: app.secret, retryDelaysMs: [], ...changes };
  return new Registration({
    source: createFacebookSource(given),
    pages,
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

test("what was given back on purpose stays so until somebody asks, also for a process that was started after it", async () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), "airy-lease-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const lease = fileLease(path.join(dir, "webhook.json"), app.id);
  await registration({ lease }).check(target(), asked);
  const given = { http: createHttpClient(), graphUrl: standIn.url, appId: app.id, appSecret: app.secret, lease };
  expect(await createFacebookSource(given).restore(target(), null)).toMatchObject([{ outcome: "removed" }, { outcome: "removed" }]);
  const later = registration({ lease });
  expect(await later.check(target(), { ...asked, asked: false })).toEqual({ repairs: [], failure: null });
  expect((await later.check(target(), asked)).repairs).toHaveLength(2);
  await forget();
  expect((await later.check(target(), { ...asked, asked: false })).repairs).toHaveLength(2);
  // Where there was nothing to give back, what is broken is mended as before.
  await forget();
  expect(await createFacebookSource(given).restore(target(), null)).toMatchObject([{ outcome: "absent" }, { outcome: "absent" }]);
  expect((await later.check(target(), { ...asked, asked: false })).repairs).toHaveLength(2);
});

test("the connected pages are told whenever one of them changes, and kept for the status", async () => {
  const kept = registration();
  expect(kept.pages).toBeNull();
  await kept.check(target(), asked);
  await kept.check(target(), asked);
  page = { ...page, state: "broken", message: "Session has expired" };
  await kept.check(target(), asked);
  const told = events.flatMap((event) => (event.type === "pages" ? [event.pages] : []));
  const shop = { source: "facebook", id: "7", name: "Shop" };
  expect(told).toEqual([[{ ...shop, state: "ok", reason: null }], [{ ...shop, state: "broken", reason: "Session has expired" }]]);
  expect(kept.pages).toEqual(told[1]);
});

test("that no page is connected is said once, and is no failure", async () => {
  let connected: CheckedPage[] = [];
  const kept = registration({ pages: async () => connected });
  expect(await kept.check(target(), asked)).toMatchObject({ failure: null });
  await kept.check(target(), asked);
  connected = [page];
  await kept.check(target(), asked);
  expect(warnings().filter((text) => text.startsWith("NO_PAGE"))).toHaveLength(1);
});
