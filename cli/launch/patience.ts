/** How long the user waits: a time limit that stands still while something takes as long as the network does. */
import { joinSignals } from "../io/signals.ts";

export interface Patience {
  /** Aborted with the reason of a source, or with that of the end of the patience. */
  signal: AbortSignal;
  /** Runs the work while the clock stands still. */
  unhurried: <T>(work: () => Promise<T>) => Promise<T>;
  /** Lets go of sources and timer. Idempotent. */
  release: () => void;
}

/** @param late makes the reason when `limitMs` are used up. */
export function createPatience(sources: readonly AbortSignal[], limitMs: number, late: () => Error): Patience {
  const over = new AbortController();
  const joined = joinSignals([...sources, over.signal]);
  let left = limitMs;
  let since = 0;
  let timer: NodeJS.Timeout | undefined;
  let released = false;
  const run = (): void => {
    if (released) return;
    since = performance.now();
    timer = setTimeout(() => over.abort(late()), left);
  };
  run();
  return {
    signal: joined.signal,
    async unhurried(work) {
      clearTimeout(timer);
      left -= performance.now() - since;
      try {
        return await work();
      } finally {
        run();
      }
    },
    release() {
      released = true;
      clearTimeout(timer);
      joined.release();
    },
  };
}
