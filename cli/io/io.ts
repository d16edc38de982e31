/**
 * The world as the program sees it. `cli/main.ts` builds the real one from `process`; everything else receives it, so that a test
 * can give another environment, folder or terminal.
 */

interface Tty {
  /** Keys can be read. */
  stdin: boolean;
  /** Frames can be drawn. */
  stdout: boolean;
  stderr: boolean;
  columns: number;
  rows: number;
}

export interface Io {
  env: Record<string, string | undefined>;
  /** Absolute path of the current folder. */
  cwd: string;
  pid: number;
  /** null where the system has no user ids. */
  uid: number | null;
  os: string;
  arch: string;
  /** Absolute path of the node executable that runs this program. */
  node: string;
  /** Absolute path of the script that runs (`dist/airy.js`), for starting the agent process. */
  script: string;
  tty: Tty;
  now: () => Date;
  /** Data for programs: results and streams, nothing else. */
  stdout: (text: string) => void;
  /** Messages for people. */
  stderr: (text: string) => void;
  stdin: NodeJS.ReadStream;
  /** The terminal itself, for the interactive interface alone. */
  terminal: NodeJS.WriteStream;
  /** Sends a signal; false when the process is gone or not ours. */
  kill: (pid: number, signal: NodeJS.Signals) => boolean;
}
