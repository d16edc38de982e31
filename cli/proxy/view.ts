/** airy-proxy on a terminal: a few lines that are redrawn in place, below whatever is said once. On stderr, as everything but the URL. */
import type { RequestRecord, TunnelStatus } from "../events.ts";

const LAST = 6;
const STATES: Record<TunnelStatus["state"], string> = {
  idle: "-",
  connecting: "connecting",
  open: "open",
  waiting: "waiting to try again",
  closed: "closed",
};

export interface ViewOptions {
  /** To the terminal as it is; nothing in it may be anybody else's escape sequence. */
  write: (text: string) => void;
  /** Of the terminal now. */
  columns: () => number;
  /** Without secrets and control characters. */
  clean: (text: string) => string;
}

export class View {
  readonly #options: ViewOptions;
  readonly #last: RequestRecord[] = [];
  #status: TunnelStatus | null = null;
  #requests = 0;
  /** Lines of it on the screen now. */
  #drawn = 0;
  #over = false;

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  status(status: TunnelStatus): void {
    this.#status = status;
    this.#draw();
  }

  request(record: RequestRecord): void {
    this.#requests += 1;
    this.#last.push(record);
    if (this.#last.length > LAST) this.#last.shift();
    this.#draw();
  }

  /** Lets something be said above it. */
  around(say: () => void): void {
    this.#erase();
    say();
    this.#draw();
  }

  /** What is on the screen stays there. */
  end(): void {
    this.#over = true;
  }

  #draw(): void {
    if (this.#over || !this.#status) return;
    this.#erase();
    const { write, columns, clean } = this.#options;
    // A line that wraps would be two when it is taken back.
    const width = Math.max(20, columns() - 1);
    const lines = [...this.#head(this.#status), ...this.#last.map(requestLine)].map((line) => clean(line).slice(0, width));
    write(`${lines.join("\n")}\n`);
    this.#drawn = lines.length;
  }

  #head({ state, url, reason, edge }: TunnelStatus): string[] {
    const why = reason === null || reason === undefined ? "" : `: ${reason}`;
    const many = this.#requests === 0 ? "no requests yet" : `${this.#requests} request${this.#requests === 1 ? "" : "s"}, the last ones:`;
    return ["", `  state     ${STATES[state]}${why}  (edge ${edge})`, `  url       ${url ?? "-"}`, `  requests  ${many}`];
  }

  #erase(): void {
    if (this.#drawn > 0 && !this.#over) this.#options.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }
}

function requestLine({ at, method, path, status, durationMs }: RequestRecord): string {
  const time = new Date(at).toTimeString().slice(0, 8);
  return `    ${time}  ${status === 0 ? "---" : status}  ${method.padEnd(6)} ${path}  ${Math.round(durationMs)} ms`;
}
