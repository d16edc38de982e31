/**
 * The terminal's alternate screen, and Ink's way onto it. Ink's own painter erases by counting lines, which goes wrong when the
 * terminal is resized, and wipes the scrollback (CSI 3J) when a frame is as high as the terminal (ink 6.8.0, `ink.tsx`). So Ink runs with
 * `debug: true`, in which it hands over each frame whole and writes nothing else, and this painter puts it on the screen: only lines
 * that changed, each at its own place, the newest frame only, and none while the terminal does not read.
 */
import { toAscii } from "./text.ts";

/** With what is pasted marked, which `keypress.ts` looks for: https://invisible-island.net/xterm/xterm-paste64.html. */
const enterScreen = "\u001B[?1049h\u001B[2J\u001B[H\u001B[?25l\u001B[?7l\u001B[?2004h";
const leaveScreen = "\u001B[?2004l\u001B[?7h\u001B[?25h\u001B[?1049l";
/** Where the cursor rests: a terminal that gets lower then drops rows below it, instead of scrolling the top rows away. */
const homeCursor = "\u001B[H";
const clearScreen = "\u001B[2J";
/** Terminals that know synchronised output show what is between the two at once; others ignore them. */
const [beginUpdate, endUpdate] = ["\u001B[?2026h", "\u001B[?2026l"];

/** A held-down key makes no more frames than this apart. */
const leastPauseMs = 40;

export class Painter {
  readonly #stdout: NodeJS.WriteStream;
  readonly #utf8: boolean;
  /** What is on the screen; null: unknown, because it was entered or resized just now. */
  #painted: string[] | null = null;
  #frame = "";
  #paintedAt = 0;
  #timer: NodeJS.Timeout | null = null;
  #entered = false;

  constructor(stdout: NodeJS.WriteStream, utf8: boolean) {
    this.#stdout = stdout;
    this.#utf8 = utf8;
  }

  get size(): { columns: number; rows: number } {
    return { columns: this.#stdout.columns ?? 0, rows: this.#stdout.rows ?? 0 };
  }

  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    setBlocking(this.#stdout, false);
    this.#stdout.on("drain", this.#drained);
    this.#stdout.write(enterScreen);
  }

  /** Gives the terminal back as it was: cursor, line wrap, the screen from before. May be called more than once. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    if (this.#timer) clearTimeout(this.#timer);
    this.#stdout.off("drain", this.#drained);
    // Tried at once. A terminal that does not read gets it when it does, and must not keep the process from ending.
    this.#stdout.write(leaveScreen);
    if (this.#stdout.writableLength === 0) setBlocking(this.#stdout, true);
  }

  /** The screen may show anything now (it was resized); the next frame is painted whole. */
  invalidate(): void {
    this.#painted = null;
  }

  /** Something that is no part of a frame: the clipboard. */
  send(sequence: string): void {
    if (this.#entered && sequence !== "" && !this.#stdout.writableNeedDrain) this.#stdout.write(sequence);
  }

  paint(frame: string): void {
    this.#frame = this.#utf8 ? frame : toAscii(frame);
    const pause = this.#paintedAt + leastPauseMs - Date.now();
    if (pause <= 0) this.#paintNow();
    else this.#timer ??= setTimeout(this.#paintNow, pause);
  }

  readonly #drained = (): void => this.#paintNow();

  readonly #paintNow = (): void => {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    // Painted when it reads again.
    if (!this.#entered || this.#stdout.writableNeedDrain) return;
    this.#paintedAt = Date.now();
    const lines = this.#frame.split("\n").slice(0, Math.max(1, this.size.rows - 1));
    const before = this.#painted ?? [];
    let out = this.#painted === null ? clearScreen : "";
    lines.forEach((line, index) => {
      // Erased first: after a line that fills the row, "erase to the end" would take its last character.
      if (line !== (before[index] ?? "")) out += `\u001B[${index + 1};1H\u001B[2K${line}`;
    });
    if (before.length > lines.length) out += `\u001B[${lines.length + 1};1H\u001B[J`;
    this.#painted = lines;
    if (out !== "") this.#stdout.write(beginUpdate + out + homeCursor + endUpdate);
  };
}

/**
 * Node writes to terminals so that the whole process waits for one that does not read (`tty.WriteStream`, nodejs.org/api/process.html,
 * "A note on process I/O"): signals too would have no effect then. There is no public way to switch that off.
 */
function setBlocking(stdout: NodeJS.WriteStream, blocking: boolean): void {
  const { _handle: handle } = stdout as unknown as { _handle?: { setBlocking?: (blocking: boolean) => void } };
  handle?.setBlocking?.(blocking);
}

/** What Ink gets as its stdout. It must not look like a terminal, or Ink would move the cursor itself. */
export function inkStdout(painter: Painter): NodeJS.WriteStream {
  const face = {
    isTTY: false,
    get columns() {
      return painter.size.columns;
    },
    get rows() {
      return painter.size.rows;
    },
    write(frame: string) {
      painter.paint(frame);
      return true;
    },
    on: () => face,
    off: () => face,
  };
  // These members are all that ink 6.8.0 uses of the stream with `debug: true`.
  return face as unknown as NodeJS.WriteStream;
}
