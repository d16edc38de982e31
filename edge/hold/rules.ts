/** Which paths of which tunnel are held. Kept on disk, because it is while the tunnel is away that they matter. */
import path from "node:path";
import { z } from "zod";
import { EdgeError } from "../errors.ts";
import { openDurable, type Durable } from "../store/durable.ts";
import type { HoldRules } from "./policy.ts";

const OnDisk = z.object({ prefixes: z.array(z.string()), requireSignature: z.boolean() });

/** Throws EDGE_DATA or EDGE_DATA_LOCKED. */
export function openRules(dataDir: string): Rules {
  const durable = openDurable({
    dir: path.join(dataDir, "rules"),
    corrupt: "EDGE_DATA",
    failed: "EDGE_DATA",
    deadlineMs: 5_000,
  });
  try {
    return new Rules(durable);
  } catch (error) {
    void durable.close();
    throw error;
  }
}

export class Rules {
  readonly #durable: Durable;
  readonly #rules = new Map<string, HoldRules>();

  constructor(durable: Durable) {
    this.#durable = durable;
    for (const { key, value } of durable.entries()) {
      const parsed = OnDisk.safeParse(JSON.parse(value.toString()));
      if (!parsed.success) throw new EdgeError("EDGE_DATA", `The rules of ${key} are damaged.`);
      this.#rules.set(key, parsed.data);
    }
  }

  of(identifier: string): HoldRules | undefined {
    return this.#rules.get(identifier);
  }

  /** Resolves when the change is on disk; no prefixes: nothing is held any more. */
  async set(identifier: string, rules: HoldRules): Promise<void> {
    const wanted = rules.prefixes.length === 0 ? undefined : rules;
    if (JSON.stringify(this.#rules.get(identifier)) === JSON.stringify(wanted)) return;
    const value = wanted ? Buffer.from(JSON.stringify(wanted)) : null;
    await this.#durable.write([{ key: identifier, value }]);
    if (wanted) this.#rules.set(identifier, wanted);
    else this.#rules.delete(identifier);
  }

  close(): Promise<void> {
    return this.#durable.close();
  }
}
