/** Of what comes faster than anybody needs it, only the latest. */

/** Calls `take` at once, and then at most every `everyMs` with the latest value that came meanwhile. */
export function latest<T>(everyMs: number, take: (value: T) => void): (value: T) => void {
  let waiting: { value: T } | null = null;
  let pause: NodeJS.Timeout | null = null;
  const next = (): void => {
    pause = null;
    if (!waiting) return;
    const { value } = waiting;
    waiting = null;
    push(value);
  };
  const push = (value: T): void => {
    if (pause) {
      waiting = { value };
      return;
    }
    pause = setTimeout(next, everyMs);
    pause.unref();
    take(value);
  };
  return push;
}
