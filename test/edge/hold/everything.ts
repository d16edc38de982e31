import type { HeldEntry, HoldStore } from "../../../edge/hold/store.ts";

/** The whole queue; `peek` gives it in pieces. */
export function everything(store: HoldStore, identifier: string): HeldEntry[] {
  const all: HeldEntry[] = [];
  for (;;) {
    const some = store.peek(identifier, all.at(-1)?.position ?? null, 1000);
    if (some.length === 0) return all;
    all.push(...some);
  }
}
