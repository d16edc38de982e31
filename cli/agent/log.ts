/** The log of the agent process: its stderr, which the launcher has opened for it, kept within bounds while it runs. */
import { rotate } from "../io/files.ts";

const MAX_BYTES = 5_000_000;
/** Characters between two looks at the size. */
const LOOK_EVERY = 64 * 1024;

/**
 * @param write appends to the file, as does whatever else has it open.
 */
export function boundedLog(file: string, write: (line: string) => void, maxBytes = MAX_BYTES): (line: string) => void {
  let since = LOOK_EVERY;
  return (line) => {
    since += line.length;
    if (since >= Math.min(LOOK_EVERY, maxBytes)) {
      since = 0;
      try {
        rotate(file, maxBytes);
      } catch {
        // The workspace was moved or deleted, or the disk is full: neither is a reason to stop.
      }
    }
    write(line);
  };
}
