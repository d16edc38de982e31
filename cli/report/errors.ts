/**
 * The error catalogue of everything on the user's machine: a stable code for each failure, and for each code what happened, why we
 * think so, what to type next, and the exit code. No other file under `cli/` contains error text for users.
 */

export type ErrorCategory =
  | "usage"
  | "input"
  | "config"
  | "docker"
  | "port"
  | "image"
  | "service"
  | "state"
  | "tunnel"
  | "probe"
  | "webhook"
  | "internal";

type Details = Record<string, string | number | boolean | null | string[]>;

interface Entry {
  category: ErrorCategory;
  exit: number;
  retryable: boolean;
  /** What happened, one sentence. */
  what: (d: Details) => string;
  /** The evidence. */
  why: (d: Details) => string;
  /** Commands, or one sentence each where no command helps. */
  actions: (d: Details) => string[];
}

export const catalogue = {
  INTERNAL: {
    category: "internal",
    exit: 1,
    retryable: false,
    what: () => "airy ran into a bug of its own.",
    why: (d) => `${d.reason}`,
    actions: (d) => (d.log ? [`airy logs`, `The log file is ${d.log}`] : ["Please report this with the output above."]),
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof catalogue;

/** The `error` member of the JSON envelope. */
export interface ErrorBody {
  code: ErrorCode;
  category: ErrorCategory;
  message: string;
  retryable: boolean;
  details: Details;
  actions: string[];
}

/** A failure with a code of the catalogue; thrown by {@link fail}, turned into text or JSON in `cli/report`. */
export class AiryError extends Error {
  override readonly name = "AiryError";
  readonly code: ErrorCode;
  readonly details: Details;

  constructor(code: ErrorCode, details: Details = {}, options?: ErrorOptions) {
    const entry: Entry = catalogue[code];
    super(entry.what(details), options);
    this.code = code;
    this.details = details;
  }
}

/** Throws an {@link AiryError}. */
export function fail(code: ErrorCode, details: Details = {}, options?: ErrorOptions): never {
  throw new AiryError(code, details, options);
}
