/**
 * The terminal's alternate screen, and Ink's way onto it. Ink's own painter erases by counting lines, which goes wrong when the
 * terminal is resized, and wipes the scrollback (CSI 3J) when a frame is as high as the terminal (ink 6.8.0, `ink.tsx`). So Ink runs with
 * `debug: true`, in which it hands over each frame whole and writes nothing else, and this painter puts it on the screen: only lines
 * that changed, each at its own place.
 */

const enterScreen = "\u001B[?1049h\u001B[2J\u001B[H\u001B[?25l\u001B[?7l";
const leaveScreen = "\u001B[?7h\u001B[?25h\u001B[?1049l";
/** Where the cursor rests: a terminal that gets lower then drops rows below it, instead of scrolling the top rows away. */
const homeCursor = "\u001B[H";
const clearScreen = "\u001B[2J";
/** Terminals that know synchronised output show what is between the two at once; others ignore them. */
const [beginUpdate, endUpdate] = ["\u001B[?2026h", "\u001B[?2026l"];

export class Painter {
  readonly #stdout: NodeJS.WriteStream;
  /** What is on the screen; null: unknown, because it was entered or resized just now. */
  #painted: string[] | null = null;
  #entered = false;

  constructor(stdout: NodeJS.WriteStream) {
    this.#stdout = stdout;
  }

  get size(): { columns: number; rows: number } {
    return { columns: this.#stdout.columns ?? 0, rows: this.#stdout.rows ?? 0 };
  }

  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    this.#stdout.write(enterScreen);
  }

  /** Gives the terminal back as it was: cursor, line wrap, the screen from before. May be called more than once. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.#stdout.write(leaveScreen);
  }

  /** The screen may show anything now (it was resized); the next frame is painted whole. */
  invalidate(): void {
    this.#painted = null;
  }

  paint(frame: string): void {
    if (!this.#entered) return;
    const lines = frame.split("\n").slice(0, Math.max(1, this.size.rows - 1));
    const before = this.#painted ?? [];
    let out = this.#painted === null ? clearScreen : "";
    lines.forEach((line, index) => {
      // Erased first: after a line that fills the row, "erase to the end" would take its last character.
      if (line !== (before[index] ?? "")) out += `\u001B[${index + 1};1H\u001B[2K${line}`;
    });
    if (before.length > lines.length) out += `\u001B[${lines.length + 1};1H\u001B[J`;
    this.#painted = lines;
    if (out !== "") this.#stdout.write(beginUpdate + out + homeCursor + endUpdate);
  }
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
