/** `channels.facebook.check`: pages that Facebook has unsubscribed, and tokens that it no longer takes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { pageId, startTestPlatform, type TestPlatform } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;

beforeAll(async () => {
  postgres = await startPostgres();
  platform = await startTestPlatform(await postgres.createDatabase());
  expect((await platform.connect()).status).toBe(200);
});
afterAll(async () => {
  await platform.close();
  await postgres.close();
});

const check = async () => (await platform.call("/channels.facebook.check")).json.data;
const channel = async () => (await platform.call("/channels.list")).json.data[0];

test("what is well is left alone: one call for each page", async () => {
  platform.graph.calls.length = 0;
  expect(await check()).toMatchObject([{ source_channel_id: pageId, name: "Test Page", state: "ok", message: null }]);
  expect(platform.graph.calls.map(({ method }) => method)).toEqual(["GET"]);
});

test("a page that lacks fields is subscribed again", async () => {
  platform.graph.subscribedFields = null;
  expect(await check()).toMatchObject([{ state: "repaired" }]);
  expect(platform.graph.subscribedFields).toContain("messages");
  expect(await check()).toMatchObject([{ state: "ok" }]);
});

test("a page whose subscription cannot be made is broken, and shown so until it is well again", async () => {
  platform.graph.subscribedFields = ["messages"];
  expect(await check()).toMatchObject([{ state: "broken", message: expect.stringContaining("did not subscribe the page to") }]);
  expect((await channel()).metadata).toMatchObject({ connection_state: "broken" });
  platform.graph.subscribedFields = null;
  expect(await check()).toMatchObject([{ state: "repaired" }]);
  expect((await channel()).metadata.connection_state).toBeUndefined();
});
