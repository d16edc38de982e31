/** The log of the agent process: its stderr, which the launcher has opened for it, kept within bounds while it runs. */
import { copyFileSync, statSync, truncateSync } from "node:fs";

const MAX_BYTES = 5_000_000;
/** Characters between two looks at the size. */
const LOOK_EVERY = 64 * 1024;

/**
 * @param write appends to the file, as does whatever else has it open: so it is emptied in place, and what was in it is at `<file>.1`.
 */
export function boundedLog(file: string, write: (line: string) => void, maxBytes = MAX_BYTES): (line: string) => void {
  let since = LOOK_EVERY;
  return (line) => {
    since += line.length;
    if (since >= Math.min(LOOK_EVERY, maxBytes)) {
      since = 0;
      cut(file, maxBytes);
    }
    write(line);
  };
}

function cut(file: string, maxBytes: number): void {
  try {
    if (statSync(file).size <= maxBytes) return;
    copyFileSync(file, `${file}.1`);
    truncateSync(file, 0);
  } catch {
    // The workspace was moved or deleted, or the disk is full: neither is a reason to stop.
  }
}
