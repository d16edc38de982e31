/** What a command prints: lines for people, or the versioned envelope for programs. stdout carries data, stderr everything else. */
import type { AiryEvent, AiryEventBody } from "../events.ts";
import type { Io } from "../io/io.ts";
import { errorBody, exitCode, type AiryError, type ErrorBody } from "../errors.ts";
import { asCalled } from "./called.ts";
import { errorText } from "./text.ts";
import { Masker } from "./mask.ts";

export interface Warning {
  code: string;
  message: string;
  action?: string;
}

/** The one document that a command with `--json` prints; the last line of a stream, with `type: "result"`. */
export interface Envelope {
  schemaVersion: 1;
  command: string;
  status: "ok" | "error";
  data: unknown;
  warnings: Warning[];
  error: ErrorBody | null;
}

export interface ResultOptions {
  /** For people, in place of the data. */
  text?: string;
  /** What to type next, below the text. */
  hint?: string;
  /** 0 unless told; `airy status` says 30 and 31. */
  exit?: number;
}

export class Output {
  readonly json: boolean;
  /** Set by {@link result} and {@link failure}; what the process exits with. */
  exit = 0;
  readonly #io: Pick<Io, "stdout" | "stderr" | "now">;
  readonly #command: string;
  readonly #stream: boolean;
  readonly #masker = new Masker();
  readonly #warnings: Warning[] = [];
  #done = false;

  /** @param stream whether the command prints NDJSON that ends with the result, rather than one document. */
  constructor(io: Pick<Io, "stdout" | "stderr" | "now">, options: { command: string; json: boolean; stream: boolean }) {
    this.#io = io;
    this.#command = options.command;
    this.#stream = options.stream;
    this.json = options.json;
  }

  /** From now on this value is shown as dots, wherever it would appear. */
  hide(secret: string): void {
    this.#masker.hide(secret);
  }

  /** The text without its secrets, for files. */
  masked(text: string): string {
    return this.#masker.mask(text);
  }

  /** A line for people on stdout; nothing with `--json`. */
  line(text: string): void {
    if (!this.json) this.#io.stdout(`${harmless(this.#masker.mask(text))}\n`);
  }

  /** A message for people on stderr, with and without `--json`. */
  note(text: string): void {
    this.#io.stderr(`${harmless(this.#masker.mask(text))}\n`);
  }

  /** One line of an NDJSON stream; nothing without `--json`. */
  item(value: AiryEvent | Record<string, unknown>): void {
    if (this.json) this.#io.stdout(`${harmless(this.#masker.mask(JSON.stringify(value)))}\n`);
  }

  /** Stamps an event with the time. */
  stamp(event: AiryEventBody): AiryEvent {
    return { ...event, at: this.#io.now().toISOString() };
  }

  /** Kept for the envelope, and said on stderr. */
  warn(warning: Warning): void {
    this.#warnings.push(warning);
    if (!this.json) this.note(`warning: ${warning.message}${warning.action ? ` (${asCalled(warning.action)})` : ""}`);
  }

  /** The end of a command that did what it should. */
  result(data: unknown, options: ResultOptions = {}): void {
    this.exit = options.exit ?? 0;
    if (this.json) this.#envelope({ status: "ok", data, error: null });
    else if (options.text !== undefined) this.line(options.text);
    if (options.hint && !this.json) this.line(asCalled(options.hint));
  }

  /** The end of a command that failed. */
  failure(error: AiryError, data: unknown = null): void {
    this.exit = exitCode(error);
    if (this.json) this.#envelope({ status: "error", data, error: calledBody(error) });
    else this.note(errorText(error));
  }

  #envelope(part: Pick<Envelope, "status" | "data" | "error">): void {
    if (this.#done) return;
    this.#done = true;
    const { status, data, error } = part;
    const envelope: Envelope = { schemaVersion: 1, command: this.#command, status, data, warnings: this.#warnings, error };
    this.item(this.#stream ? { type: "result", ...envelope } : { ...envelope });
  }
}

function calledBody(error: AiryError): ErrorBody {
  const body = errorBody(error);
  return { ...body, actions: body.actions.map(asCalled) };
}

/** A path, a log line or what an edge says could carry escape sequences, with which strangers would write to the user's terminal. */
function harmless(text: string): string {
  return text.replaceAll(/[^\P{Cc}\t\n]/gu, "?");
}
