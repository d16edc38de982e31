/** Scripts that wait, and commands that are given twice. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { airy, startAiry } from "../../support/airy.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";
import { rememberPorts } from "../../support/ports.ts";

const minutes = 60_000;
const up = ["up", "--sandbox", "--yes", "--engine", "embedded"];
let scope: LeakScope;

beforeEach(async () => {
  scope = await openLeakScope("wait");
});

afterEach(async () => {
  await airy(scope, ["destroy", "--yes", "--no-backup"]);
  expect(await scope.settled()).toEqual([]);
  await scope.close();
}, minutes);

test("what is waited for has to exist, and the time is limited", async () => {
  expect(await airy(scope, ["wait", "nothing"])).toMatchObject({ code: 2, envelope: { error: { code: "INVALID_ARGUMENT" } } });
  const late = await airy(scope, ["wait", "--timeout", "1"]);
  expect(late).toMatchObject({ code: 13, envelope: { error: { code: "WAIT_TIMEOUT", retryable: true } } });
  expect(late.envelope.error!.details).toMatchObject({ seconds: 1, seen: "The state is stopped." });
  expect(await airy(scope, ["wait", "--for", "down"])).toMatchObject({ code: 0 });
});

test(
  "wait ends when another process has started everything, and when it has stopped it; up; up; down; down is 0, 0, 0, 0",
  { timeout: 3 * minutes },
  async () => {
    await rememberPorts(scope.workspace);
    const waits = [["--for", "ready"], ["platform"]].map((args) => startAiry(scope, ["wait", ...args, "--timeout", "120"]).ended);
    const codes = [(await airy(scope, up)).code];
    for (const { code, envelope } of await Promise.all(waits)) {
      expect(code, JSON.stringify(envelope)).toBe(0);
      expect(envelope.data).toMatchObject({ status: { engine: "embedded" }, waitedMs: expect.any(Number) });
    }
    codes.push((await airy(scope, up)).code);
    const busy = await airy(scope, ["wait", "platform", "--for", "down", "--timeout", "1"]);
    expect(busy).toMatchObject({ code: 13, envelope: { error: { message: "platform is not down after 1 s." } } });
    const gone = startAiry(scope, ["wait", "--for", "down"]).ended;
    codes.push((await airy(scope, ["down"])).code);
    expect(await gone).toMatchObject({ code: 0 });
    codes.push((await airy(scope, ["down"])).code);
    expect(codes).toEqual([0, 0, 0, 0]);
  },
);
