import { expect, test } from "vitest";
import { joinSignals } from "../../../cli/io/signals.ts";

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason), { once: true }));

test("the first source decides, with its reason", async () => {
  const [a, b] = [new AbortController(), new AbortController()];
  const { signal } = joinSignals([a.signal, b.signal], 60_000);
  const reason = aborted(signal);
  b.abort("b");
  a.abort("a");
  expect(await reason).toBe("b");
  expect(joinSignals([a.signal]).signal.reason).toBe("a");
});

test("the time limit aborts with the reason made for it", async () => {
  const late = new Error("late");
  expect(await aborted(joinSignals([new AbortController().signal], 5, () => late).signal)).toBe(late);
});

test("after release nothing aborts it", async () => {
  const source = new AbortController();
  const joined = joinSignals([source.signal], 5);
  joined.release();
  source.abort();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(joined.signal.aborted).toBe(false);
});
