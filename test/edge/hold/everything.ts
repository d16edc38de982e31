import type { HeldEntry, HoldStore } from "../../../edge/hold/hold-store.ts";

/** The whole queue; `peek` gives it in pieces. */
export async function everything(store: HoldStore, name: string): Promise<HeldEntry[]> {
  const all: HeldEntry[] = [];
  for (;;) {
    const some = await store.peek(name, all.at(-1)?.position ?? 0, 1000);
    if (some.length === 0) return all;
    all.push(...some);
  }
}
