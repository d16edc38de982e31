/** Once more, after a pause. */
import { setTimeout as sleep } from "node:timers/promises";

export interface Retry<T> {
  /** Pauses before repeats, milliseconds; so many repeats are made. */
  delaysMs: readonly number[];
  /** Whether what came may be another time different; an attempt that throws is not repeated. */
  again: (result: T) => boolean;
  signal?: AbortSignal | undefined;
}

/** The first result that is not to be had again, else the last. Rejects with what `attempt` throws, and with an AbortError. */
export async function retry<T>(attempt: () => Promise<T>, { delaysMs, again, signal }: Retry<T>): Promise<T> {
  for (const pauseMs of delaysMs) {
    const result = await attempt();
    if (!again(result)) return result;
    await sleep(pauseMs, undefined, { signal });
  }
  return attempt();
}
