/** What arrived and is no message, counted and said: nothing that was answered 200 is invisible. */
import { TEST_KIND, quietKinds } from "./derive.ts";

export interface Kinds {
  seen(kinds: Map<string, number>): void;
  /** Since the start of the process. */
  counts(): Record<string, number>;
  /** When the button "Test" of Facebook's dashboard was last pressed. */
  lastTestAt(): string | null;
}

const SAY_EVERY_MS = 10_000;
/** Names of unknown objects and fields come from outside. */
const MAX_KINDS = 100;

const meanings: Record<string, string> = {
  policy_enforcement: "Facebook took action against the page or lifted it: look at the page's Support Inbox",
  "policy-enforcement": "Facebook took action against the page or lifted it: look at the page's Support Inbox",
  empty: "a delivery with nothing in it",
  "without a sender": "a message or a button, but nobody is named who wrote it; kept",
  "unknown shape": "kept, but not understood",
  "not JSON": "kept, but not understood",
};

export function createKinds(log: (line: string) => void): Kinds {
  const counts = new Map<string, number>();
  const said = new Map<string, number>();
  let lastTest: string | null = null;
  return {
    seen(kinds) {
      for (const [kind, count] of kinds) {
        const name = counts.has(kind) || counts.size < MAX_KINDS ? kind : "other";
        counts.set(name, (counts.get(name) ?? 0) + count);
        if (name === TEST_KIND) {
          lastTest = new Date().toISOString();
          log("Facebook's test arrived: the way is open. It is a sample, no message, and the inbox shows nothing of it.");
          continue;
        }
        if (quietKinds.has(name) || Date.now() - (said.get(name) ?? 0) < SAY_EVERY_MS) continue;
        said.set(name, Date.now());
        log(`webhook without a message: ${name}${meanings[name] ? ` (${meanings[name]})` : ""}; ${counts.get(name)} since the start`);
      }
    },
    counts: () => Object.fromEntries(counts),
    lastTestAt: () => lastTest,
  };
}
