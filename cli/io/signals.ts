/**
 * Abort signals put together. Not by `AbortSignal.any`: with a timeout among its sources it may never be aborted, because Node collects
 * the timeout as garbage (nodejs/node#57736, seen with 20.20).
 */

export interface Joined {
  signal: AbortSignal;
  /** Lets go of the sources, and of the timer. Idempotent. */
  release: () => void;
}

/**
 * Aborted as soon as one of the sources is, with its reason, or after `timeoutMs`, with `late` as the reason.
 * The timer keeps the process alive until {@link Joined.release}.
 */
export function joinSignals(sources: readonly AbortSignal[], timeoutMs?: number, late?: () => Error): Joined {
  const controller = new AbortController();
  const listeners = sources.map((source) => ({ source, listener: () => controller.abort(source.reason) }));
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => controller.abort(late?.() ?? new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  for (const { source, listener } of listeners) {
    if (source.aborted) listener();
    else source.addEventListener("abort", listener, { once: true });
  }
  return {
    signal: controller.signal,
    release: () => {
      clearTimeout(timer);
      for (const { source, listener } of listeners) source.removeEventListener("abort", listener);
    },
  };
}
