/** What this browser keeps for its user; where it keeps nothing (a private window), nothing is kept. */

export function remembered(key: string): string | null {
  try {
    return window.localStorage.getItem(`airy.${key}`);
  } catch {
    return null;
  }
}

/** @param value null forgets. */
export function remember(key: string, value: string | null): void {
  try {
    if (value === null) window.localStorage.removeItem(`airy.${key}`);
    else window.localStorage.setItem(`airy.${key}`, value);
  } catch {
    // Storage is full or switched off.
  }
}
