/** Log lines as the viewer keeps them: so many, each so long, and nothing in them that a terminal would obey. */
import { printable } from "./text.ts";

export interface LogLine {
  service: string;
  /** ISO time; null where the source has none. */
  at: string | null;
  line: string;
}

/** Lines kept, and characters of each: with them at most a few megabytes. */
const keptLines = 3000;
const keptChars = 1000;
/** Of a line that is longer, only so much is looked at. */
const readChars = 4000;

export class LogBuffer {
  readonly #ring: LogLine[] = [];
  #next = 0;
  /** How many lines ever came. */
  total = 0;

  push({ service, at, line }: LogLine): void {
    const kept = { service: cleanLine(service), at, line: cleanLine(line) };
    if (this.#ring.length < keptLines) this.#ring.push(kept);
    else this.#ring[this.#next] = kept;
    this.#next = (this.#next + 1) % keptLines;
    this.total += 1;
  }

  /**
   * The last `count` of the lines that match, after leaving out `skip` newer ones; oldest first.
   * @param services empty: all. @param text what a line has to contain, in any case.
   * @param until of all lines that ever came only the first so many; null: all.
   */
  window(services: readonly string[], text: string, skip: number, count: number, until: number | null = null): LogLine[] {
    const found: LogLine[] = [];
    let left = skip;
    for (const line of this.#newestFirst(services, text, until)) {
      if (found.length >= count) break;
      if (left > 0) left -= 1;
      else found.push(line);
    }
    return found.reverse();
  }

  /** How many of the kept lines match. */
  count(services: readonly string[], text: string, until: number | null): number {
    let count = 0;
    for (const _ of this.#newestFirst(services, text, until)) count += 1;
    return count;
  }

  *#newestFirst(services: readonly string[], text: string, until: number | null): Generator<LogLine> {
    const wanted = text.toLowerCase();
    for (let back = 1 + (until === null ? 0 : this.total - until); back <= this.#ring.length; back++) {
      const line = this.#ring[(this.#next - back + 2 * this.#ring.length) % this.#ring.length];
      if (!line || (services.length > 0 && !services.includes(line.service))) continue;
      if (wanted === "" || line.line.toLowerCase().includes(wanted)) yield line;
    }
  }

  /** The newest line of a service. */
  last(service: string): LogLine | null {
    return this.window([service], "", 0, 1)[0] ?? null;
  }
}

/** CSI, OSC and the like, whole or broken off: ECMA-48, https://ecma-international.org/publications-and-standards/standards/ecma-48/. */
// oxlint-disable-next-line no-control-regex -- they are what it looks for
const sequences = /\u001B(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\u0007\u001B]*(?:\u0007|\u001B\\)?|[ -/]*[0-~]?)/g;

/** Without control sequences, cut; a copy, because a cut of a line of megabytes would keep it all in memory. */
function cleanLine(text: string): string {
  const clean = printable(text.slice(0, readChars).replaceAll(sequences, "")).slice(0, keptChars);
  return Buffer.from(clean).toString();
}
