/** What a command is given. */
import type { Build } from "./io/build.ts";
import type { Io } from "./io/io.ts";
import type { Output } from "./report/output.ts";

export interface Context {
  io: Io;
  out: Output;
  build: Build;
  /** Aborted by SIGINT, SIGTERM and SIGHUP; the reason is the signal's name. */
  signal: AbortSignal;
  /** From now on SIGHUP does this, and ends nothing. */
  onHangup: (listener: () => void) => void;
}
