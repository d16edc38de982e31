/** Everything that happened, in order: kept in memory for readers of the control API, and appended to `.airy/events.ndjson`. */
import type { AiryEvent, AiryEventBody } from "../events.ts";
import { appendBounded } from "../io/files.ts";
import { inertJson } from "../io/inert.ts";
import { Masker } from "../report/mask.ts";

/** An event with its place in the journal, from 1. */
export type JournalEvent = AiryEvent & { seq: number };

/** Memory of about a megabyte at most. */
const KEPT = 2000;
const FILE_BYTES = 4_000_000;

export interface Journal {
  append(body: AiryEventBody): void;
  /** The number of the newest event, 0 when there is none. */
  last(): number;
  /** Events after `since`, then each new one as it comes, until the signal or {@link Journal.close}. */
  follow(since: number, signal: AbortSignal): AsyncIterable<JournalEvent>;
  /** Ends all followers when they have read everything. */
  close(): void;
}

export function createJournal(options: {
  file: string;
  now: () => Date;
  secrets: readonly string[];
  log: (line: string) => void;
}): Journal {
  const masker = new Masker();
  for (const secret of options.secrets) masker.hide(secret);
  const kept: JournalEvent[] = [];
  let seq = 0;
  let closed = false;
  const waiting = new Set<() => void>();

  const wake = (): void => {
    for (const resume of waiting) resume();
    waiting.clear();
  };

  async function* follow(since: number, signal: AbortSignal): AsyncIterable<JournalEvent> {
    let next = since + 1;
    signal.addEventListener("abort", wake);
    while (!signal.aborted) {
      for (const event of kept.slice(Math.max(0, next - (kept[0]?.seq ?? 1)))) {
        next = event.seq + 1;
        yield event;
      }
      if (next <= seq) continue;
      if (closed) break;
      await new Promise<void>((resume) => waiting.add(resume));
    }
    signal.removeEventListener("abort", wake);
  }

  return {
    append(body) {
      seq += 1;
      const event: JournalEvent = JSON.parse(masker.mask(JSON.stringify({ ...body, at: options.now().toISOString(), seq })));
      kept.push(event);
      if (kept.length > KEPT) kept.splice(0, kept.length - KEPT);
      try {
        appendBounded(options.file, `${inertJson(JSON.stringify(event))}\n`, FILE_BYTES);
      } catch (error) {
        options.log(`events.ndjson: ${String(error)}`);
      }
      wake();
    },
    last: () => seq,
    follow,
    close() {
      closed = true;
      wake();
    },
  };
}
