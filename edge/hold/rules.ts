/** Which paths of which tunnel are held. Kept on disk, because it is while the tunnel is away that they matter. */
import path from "node:path";
import { z } from "zod";
import { EdgeError } from "../errors.ts";
import { steadyClock } from "../store/clock.ts";
import { openDurable, type Change, type Durable } from "../store/durable.ts";
import type { Damaged } from "../store/log/salvage.ts";
import type { HoldRules } from "./policy.ts";

const DAY = 24 * 60 * 60 * 1000;
/** Rules of a tunnel that was not there for so long are forgotten; so is the claim to its name. */
const FORGET_AFTER_MS = 90 * DAY;
/** The last use is written down no more often. */
const TOUCH_EVERY_MS = DAY;

const OnDisk = z.object({
  prefixes: z.array(z.string()),
  requireSignature: z.boolean(),
  /** Milliseconds since 1970; missing in what older versions have written. */
  usedAt: z.number().optional(),
});

interface Kept {
  rules: HoldRules;
  usedAt: number;
}

/** Throws EDGE_DATA. */
export function openRules(dataDir: string, now: () => number = steadyClock(), onDamage: (damaged: Damaged[]) => void = () => {}): Rules {
  const durable = openDurable({
    dir: path.join(dataDir, "rules"),
    corrupt: "EDGE_DATA",
    failed: "EDGE_DATA",
    deadlineMs: 5_000,
    // A client says its rules whenever it connects.
    onDamage,
  });
  try {
    return new Rules(durable, now);
  } catch (error) {
    void durable.close();
    throw error;
  }
}

export class Rules {
  readonly #durable: Durable;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();

  constructor(durable: Durable, now: () => number) {
    this.#durable = durable;
    this.#now = now;
    for (const { key, value } of durable.entries()) {
      const parsed = OnDisk.safeParse(JSON.parse(value.toString()));
      if (!parsed.success) throw new EdgeError("EDGE_DATA", `The rules of ${key} are damaged.`);
      const { usedAt, ...rules } = parsed.data;
      // Written under a clock that was ahead, or by an older version: it counts from now on.
      this.#kept.set(key, { rules, usedAt: Math.min(usedAt ?? now(), now()) });
    }
  }

  of(name: string): HoldRules | undefined {
    return this.#kept.get(name)?.rules;
  }

  /** Resolves when the change is on disk; no prefixes: nothing is held any more. */
  async set(name: string, rules: HoldRules): Promise<void> {
    const kept = this.#kept.get(name);
    if (rules.prefixes.length === 0) return kept && this.#forget([name]);
    const usedAt = this.#now();
    if (kept && JSON.stringify(kept.rules) === JSON.stringify(rules)) {
      const touched = this.#touch(name, kept);
      // Tried again by itself; a tunnel is not refused for it.
      if (touched.length > 0) this.#durable.write(touched).catch(() => {});
      return;
    }
    await this.#durable.write([writing(name, { rules, usedAt })]);
    this.#kept.set(name, { rules, usedAt });
  }

  /**
   * Forgets the rules that nobody has used for 90 days. Resolves with whose they were.
   * @param inUse whether a tunnel is open under the name, or something waits there.
   */
  async sweep(inUse: (name: string) => boolean): Promise<string[]> {
    const changes: Change[] = [];
    const unused: string[] = [];
    for (const [name, kept] of this.#kept) {
      if (inUse(name)) changes.push(...this.#touch(name, kept));
      else if (this.#now() - kept.usedAt >= FORGET_AFTER_MS) unused.push(name);
    }
    if (changes.length > 0) await this.#durable.write(changes);
    if (unused.length > 0) await this.#forget(unused);
    return unused;
  }

  close(): Promise<void> {
    return this.#durable.close();
  }

  #touch(name: string, kept: Kept): Change[] {
    if (this.#now() - kept.usedAt < TOUCH_EVERY_MS) return [];
    kept.usedAt = this.#now();
    return [writing(name, kept)];
  }

  async #forget(names: readonly string[]): Promise<void> {
    await this.#durable.write(names.map((key) => ({ key, value: null })));
    for (const name of names) this.#kept.delete(name);
  }
}

function writing(name: string, { rules, usedAt }: Kept): Change {
  return { key: name, value: Buffer.from(JSON.stringify({ ...rules, usedAt })) };
}
