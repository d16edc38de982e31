/** What is said of webhooks that are refused, or that nobody is there for, while it happens. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { DeliveryWatch } from "../../../cli/agent/deliveries.ts";
import type { Health } from "../../../cli/checks/deliveries.ts";
import type { AiryEventBody } from "../../../cli/events.ts";
import { createLines } from "../../../cli/report/lines.ts";

let events: AiryEventBody[];
let health: Health;
let looks: number;
let ended: AbortController;

beforeEach(() => {
  events = [];
  looks = 0;
  health = { deliveries: 3, rejectedSignatures: 0, waiting: [], broken: [], kinds: {}, lastTestAt: null };
  ended = new AbortController();
});
afterEach(() => ended.abort());

const watch = (refused = 0): DeliveryWatch =>
  new DeliveryWatch({
    health: async () => {
      looks += 1;
      return health;
    },
    refused: () => refused,
    sandbox: false,
    emit: (event) => void events.push(event),
    signal: ended.signal,
    everyMs: 1,
  });
const codes = () => events.map((event) => event.type === "warning" && event.code);

test("wrong signatures and a page that nobody connected are explained once, and again when they come back", async () => {
  const watched = watch();
  watched.seen({ method: "POST", status: 200 });
  await expect.poll(() => looks).toBe(1);
  expect(events).toEqual([]);
  health = { ...health, rejectedSignatures: 1, waiting: [{ source: "facebook", source_channel_id: "77", deliveries: 2 }] };
  const seen = async (before = looks): Promise<void> => {
    watched.seen({ method: "POST", status: 401 });
    await expect.poll(() => looks).toBeGreaterThan(before);
  };
  await seen();
  await seen();
  expect(codes()).toEqual([false, "DELIVERIES_REFUSED", "PAGE_UNCONNECTED"]);
  events.shift();
  expect(events[0]).toMatchObject({ message: expect.stringContaining("not signed with this app secret") });
  expect(events[1]).toMatchObject({ action: expect.stringContaining("--page 77") });
  health = { ...health, waiting: [] };
  await seen();
  health = { ...health, waiting: [{ source: "facebook", source_channel_id: "77", deliveries: 1 }] };
  await seen();
  expect(codes().filter(Boolean)).toEqual(["DELIVERIES_REFUSED", "PAGE_UNCONNECTED", "PAGE_UNCONNECTED"]);
});

test("what arrived and is no message is told when it changes, as what it is; receipts are not", async () => {
  const watched = watch();
  const seen = async (before = looks): Promise<void> => {
    watched.seen({ method: "POST", status: 200 });
    await expect.poll(() => looks).toBeGreaterThan(before);
  };
  health = { ...health, kinds: { read: 7, delivery: 2 } };
  await seen();
  expect(events).toEqual([]);
  const lastTestAt = "2026-11-25T16:40:00.000Z";
  health = { ...health, kinds: { read: 8, "Facebook's test": 1, optin: 2 }, lastTestAt };
  await seen();
  await seen();
  const told = events.filter((event) => event.type === "deliveries");
  expect(told).toEqual([
    { type: "deliveries", deliveries: { arrived: 3, waiting: [], kinds: { "Facebook's test": 1, optin: 2 }, lastTestAt } },
  ]);
  const line = createLines().line({ ...told[0]!, at: lastTestAt });
  expect(line).toContain("Facebook's test arrived at 2026-11-25T16:40:00.000Z: the way is open; no messages: 2 x optin");
});

test("a flood is looked at once at a time; a verification with another token is something else than a wrong signature", async () => {
  const watched = watch(4);
  for (let n = 0; n < 1_000; n += 1) watched.seen({ method: "GET", status: n % 2 ? 403 : 200 });
  await expect.poll(codes).toEqual(["REQUESTS_REFUSED"]);
  await expect.poll(() => looks).toBe(2);
  watch().seen({ method: "GET", status: 200 });
  expect(looks).toBe(2);
});
