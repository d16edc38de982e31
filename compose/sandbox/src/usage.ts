/** How much of its calls an app has used in the last hour, as the headers say it; error 4 where a limit is set. */
import { graphErrors } from "./errors.ts";
import type { Settings } from "./settings.ts";
import type { Caller } from "./tokens.ts";

const HOUR_MS = 3_600_000;

/** What 100 percent stands for where no limit is set. */
const NOMINAL_CALLS = 200_000;

export class Usage {
  /** Calls by app and page, in slots of a minute. */
  readonly #calls = new Map<string, Map<number, number>>();

  /** Counts the call. Throws GraphError 4 when the app has none left. */
  count(caller: Caller, settings: Settings, now: number): void {
    const used = this.#add(`app ${caller.app.id}`, now);
    if (caller.type === "page") this.#add(`page ${caller.page.id}`, now);
    if (settings.callsPerHour !== null && used > settings.callsPerHour) throw graphErrors.appLimit();
  }

  headers(caller: Caller, settings: Settings, now: number): Record<string, string> {
    const limit = settings.callsPerHour ?? NOMINAL_CALLS;
    const percent = (key: string) => Math.min(100, Math.floor((this.#sum(key, now) / limit) * 100));
    const usage = (value: number) => ({ call_count: value, total_cputime: 0, total_time: 0 });
    const headers: Record<string, string> = { "x-app-usage": JSON.stringify(usage(percent(`app ${caller.app.id}`))) };
    if (caller.type !== "page") return headers;
    const page = percent(`page ${caller.page.id}`);
    headers["x-page-usage"] = JSON.stringify(usage(page));
    const business = [{ type: "messenger", ...usage(page), estimated_time_to_regain_access: page >= 100 ? 60 : 0 }];
    headers["x-business-use-case-usage"] = JSON.stringify({ [caller.page.id]: business });
    return headers;
  }

  #add(key: string, now: number): number {
    const slots = this.#calls.get(key) ?? new Map<number, number>();
    this.#calls.set(key, slots);
    const slot = Math.floor(now / 60_000);
    slots.set(slot, (slots.get(slot) ?? 0) + 1);
    for (const old of slots.keys()) if (old <= slot - 60) slots.delete(old);
    return this.#sum(key, now);
  }

  #sum(key: string, now: number): number {
    const from = Math.floor((now - HOUR_MS) / 60_000);
    let sum = 0;
    for (const [slot, calls] of this.#calls.get(key) ?? []) if (slot > from) sum += calls;
    return sum;
  }
}
