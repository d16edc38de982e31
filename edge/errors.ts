/**
 * The edge's error codes and what each says. `answers` go to whoever sent an HTTP request (header `Airy-Error: <code>` and a short body),
 * `refusals` to whoever connected by SSH, and {@link EdgeError} to whoever started the edge.
 */

interface Answer {
  status: number;
  text: string;
  /** Seconds, for `Retry-After`. */
  retryAfter?: number;
}

export const answers = {
  BAD_REQUEST: { status: 400, text: "This request is malformed, so it was not forwarded." },
  BAD_TARGET: { status: 400, text: "Only requests for a path are forwarded: neither `*` nor a whole URL." },
  BAD_HOST: { status: 400, text: "The Host header of this request is missing, repeated or malformed." },
  MISDIRECTED: { status: 421, text: "This connection was opened for another host name. Open a new one for this request." },
  HEADERS_TOO_LARGE: { status: 431, text: "The head of this request has more than 32 KB or 1,000 lines." },
  REQUEST_TIMEOUT: { status: 408, text: "The head of this request did not arrive within 10 seconds." },
  TUNNEL_NOT_FOUND: { status: 404, text: "There is no tunnel of this name. Check the address; names are case-insensitive." },
  TUNNEL_OFFLINE: {
    status: 503,
    text: "The tunnel of this name is not connected right now. Its owner can bring it back with `airy up` or `airy-proxy`.",
    retryAfter: 5,
  },
  TUNNEL_LOST: { status: 502, text: "The tunnel was lost while this request was under way.", retryAfter: 1 },
  SERVICE_REFUSED: { status: 502, text: "The tunnel is connected, but the local service behind it refuses connections. Is it running?" },
  SERVICE_FAILED: { status: 502, text: "The local service behind the tunnel broke off before it had answered." },
  SERVICE_TIMEOUT: { status: 504, text: "The local service behind the tunnel did not answer in time." },
  HOLD_FULL: { status: 503, text: "This tunnel is not connected, and what may wait for it at the edge is used up.", retryAfter: 60 },
  HOLD_FAILED: { status: 503, text: "This webhook could not be stored, so it was not acknowledged. Please send it again.", retryAfter: 5 },
  TOO_MANY_REQUESTS: { status: 503, text: "This tunnel has too many requests in flight.", retryAfter: 1 },
  EDGE_STOPPING: { status: 503, text: "This edge is restarting. Please try again.", retryAfter: 2 },
} as const satisfies Record<string, Answer>;

export type AnswerCode = keyof typeof answers;

export const refusals = {
  VERSION_TOO_OLD: "This client speaks an older tunnel protocol than the edge. Update airy.",
  VERSION_TOO_NEW: "This client speaks a newer tunnel protocol than the edge. Ask the edge's operator to update it.",
  PROTOCOL_ERROR: "The client broke the tunnel protocol.",
  NAME_TAKEN: "This name belongs to another key.",
  NAME_RESERVED: "This name is reserved.",
  NAME_INVALID: "A name has 3 to 63 letters, digits and hyphens, and neither begins nor ends with a hyphen.",
  TOO_MANY_NAMES: "This key has claimed as many names as one key may.",
  TOO_MANY_TUNNELS: "This key has too many connections.",
  NO_FORWARD: "No port was forwarded. Connect with: ssh -R 80:localhost:3000 <edge>",
  FORWARD_IN_USE: "One connection forwards one port. Open another connection with another key for another port.",
  TAKEN_OVER: "A newer connection with the same key has taken over this name.",
  EDGE_STOPPING: "The edge is restarting.",
  EDGE_FAILED: "The edge could not store the claim to this name. Please try again.",
} as const;

export type RefusalCode = keyof typeof refusals;

export const failures = {
  EDGE_ADDRESS: "An address of the edge cannot be listened on.",
  EDGE_CONFIG: "The edge's settings cannot be used:",
  EDGE_DOMAIN: "The edge's domain cannot be used.",
  EDGE_DATA: "The edge's data folder cannot be used.",
  EDGE_DATA_LOCKED: "Another edge uses this data folder.",
  EDGE_ACCESS: "The list of keys cannot be enforced.",
  EDGE_TLS: "The edge's certificate cannot be used.",
  EDGE_HOST_KEY: "The edge's host key cannot be read.",
  HOLD_FULL: "The store for this tunnel is full.",
  HOLD_BODY_TOO_LARGE: "A body is too large to be held.",
  HOLD_IO: "The store could not be written.",
  HOLD_CORRUPT: "The store of held webhooks cannot be read.",
} as const;

export type FailureCode = keyof typeof failures;

/** A failure of the edge itself; `detail` is the evidence. */
export class EdgeError extends Error {
  override readonly name = "EdgeError";
  readonly code: FailureCode;
  readonly detail: string;

  constructor(code: FailureCode, detail = "", options?: ErrorOptions) {
    super(detail ? `${failures[code]} ${detail}` : failures[code], options);
    this.code = code;
    this.detail = detail;
  }
}
