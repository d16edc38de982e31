/**
 * The edge's error codes and what each says. `answers` go to whoever sent an HTTP request (header `Airy-Error: <code>` and a page or JSON),
 * `refusals` to whoever connected by SSH, and {@link EdgeError} to whoever started the edge.
 */

export interface Answer {
  status: number;
  /** What happened, one or two sentences. */
  what: string;
  why: string;
  /** What each of the three can do about it; what is missing, nobody of that kind can. */
  do: { visitor: string; owner?: string; operator?: string };
  /** Seconds, for `Retry-After`. */
  retryAfter?: number;
}

const SENT_WRONG = { visitor: "Nothing was done. Look at the program that has sent this; a browser does not send such requests." };

export const answers = {
  BAD_REQUEST: {
    status: 400,
    what: "This request is malformed, so it was not forwarded.",
    why: "Programs behind the tunnel could read it differently than the edge did: its request line, its framing or a field is not as HTTP says.",
    do: SENT_WRONG,
  },
  BAD_TARGET: {
    status: 400,
    what: "Only requests for a path are forwarded: neither `*`, nor a whole URL, nor a path with a `#fragment`.",
    why: "The request line names something that is not a path of this tunnel.",
    do: SENT_WRONG,
  },
  BAD_HOST: {
    status: 400,
    what: "The Host header of this request is missing, repeated or malformed.",
    why: "Host alone says for which tunnel a request is.",
    do: SENT_WRONG,
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    what: "TRACE is not forwarded.",
    why: "Its answer would show what proxies have added to the request.",
    do: { visitor: "Use another method." },
  },
  EXPECTATION_FAILED: {
    status: 417,
    what: "This request expects something that nobody here knows.",
    why: "`Expect` may say `100-continue`, once, and nothing else.",
    do: SENT_WRONG,
  },
  MISDIRECTED: {
    status: 421,
    what: "This connection was opened for another host name. Open a new one for this request.",
    why: "Neither the name that the connection was opened for nor the certificate covers this host.",
    do: { visitor: "Load the page again; browsers open a new connection by themselves." },
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    what: "The head of this request has more than 32 KB or 1,000 lines.",
    why: "Often these are cookies that have piled up.",
    do: { visitor: "Delete the cookies of this site and try again.", owner: "Set fewer or smaller cookies." },
  },
  REQUEST_TIMEOUT: {
    status: 408,
    what: "The head of this request did not arrive in time, which is 10 seconds.",
    why: "The connection is very slow, or its other end stopped half-way.",
    do: { visitor: "Try again." },
  },
  BODY_TOO_SLOW: {
    status: 408,
    what: "The body of this request came too slowly.",
    why: "A body that hardly moves keeps a place that others need.",
    do: {
      visitor: "Send it again over a better connection.",
      operator: "The slowest rate that is waited for is `body-bytes-per-second`.",
    },
  },
  TUNNEL_NOT_FOUND: {
    status: 404,
    what: "There is no tunnel of this name. Check the address; names are case-insensitive.",
    why: "Nobody has claimed this name, or it was not used for 90 days.",
    do: {
      visitor: "Check the address for typing errors, or ask whoever gave it to you.",
      owner: "Start `airy-proxy` or `airy up` and use the URL that it prints.",
      operator: "`airy_edge_tunnels` counts the tunnels that are open.",
    },
  },
  TUNNEL_OFFLINE: {
    status: 503,
    what: "The tunnel of this name is not connected right now.",
    why: "The machine behind it sleeps, has no network, or its tunnel was stopped.",
    do: {
      visitor: "Try again later, or tell whoever gave you this address.",
      owner: "Start `airy up` or `airy-proxy` again, with the same key; `airy doctor` says what keeps it from connecting.",
      operator: "The log says when the tunnel was lost. If all are gone, look at `/readyz`.",
    },
    retryAfter: 5,
  },
  TUNNEL_LOST: {
    status: 502,
    what: "The tunnel was lost while this request was under way.",
    why: "The connection between the edge and the machine behind it broke. The request may or may not have been carried out.",
    do: { visitor: "Try again in a moment.", owner: "`airy logs` says why the connection broke." },
    retryAfter: 1,
  },
  SERVICE_REFUSED: {
    status: 502,
    what: "The tunnel is connected, but the local service behind it refuses connections. Is it running?",
    why: "Nothing listens on the port to which the tunnel leads.",
    do: {
      visitor: "Try again later, or tell whoever gave you this address.",
      owner: "Start the local service, or start the tunnel with the port on which it listens: `airy-proxy PORT`.",
    },
  },
  SERVICE_FAILED: {
    status: 502,
    what: "The local service behind the tunnel broke off before it had answered.",
    why: "It closed the connection, crashed, or its answer was no HTTP.",
    do: { visitor: "Try again later.", owner: "Look at the log of the local service for this request." },
  },
  SERVICE_TIMEOUT: {
    status: 504,
    what: "The local service behind the tunnel did not answer in time.",
    why: "It took the request and said nothing for 5 minutes.",
    do: { visitor: "Try again later.", owner: "Look at what the local service does with this request." },
  },
  HOLD_FULL: {
    status: 503,
    what: "This tunnel is not connected, and what may wait for it at the edge is used up.",
    why: "Webhooks are kept until the tunnel is back, up to a number of bytes.",
    do: {
      visitor: "Send it again later.",
      owner: "Bring the tunnel back; what waits is delivered then.",
      operator: "`airy_edge_held_bytes` says what is kept.",
    },
    retryAfter: 60,
  },
  HOLD_FAILED: {
    status: 503,
    what: "This webhook could not be stored, so it was not acknowledged. Please send it again.",
    why: "The edge's disk is full or failing, or the sender took too long.",
    do: { visitor: "Send it again.", operator: "The log says what the disk answered." },
    retryAfter: 5,
  },
  TOO_MANY_REQUESTS: {
    status: 503,
    what: "This tunnel has too many requests in flight.",
    why: "The local service answers more slowly than requests come.",
    do: {
      visitor: "Try again in a moment.",
      owner: "See what keeps the local service from answering.",
      operator: "The limit is `requests-in-flight`.",
    },
    retryAfter: 1,
  },
  SENDER_BUSY: {
    status: 429,
    what: "Your network has too many requests in flight at this tunnel.",
    why: "No sender may take all places of a tunnel.",
    do: { visitor: "Wait for earlier requests to be answered.", operator: "The limit is `requests-in-flight-per-network`." },
    retryAfter: 1,
  },
  RATE_LIMITED: {
    status: 429,
    what: "This tunnel gets more requests per second than it may.",
    why: "The edge shares its time among all tunnels.",
    do: { visitor: "Try again in a moment, and more slowly.", operator: "The limit is `requests-per-second`." },
    retryAfter: 1,
  },
  BYTES_USED_UP: {
    status: 429,
    what: "This tunnel has moved as many bytes today as it may.",
    why: "The edge limits what one tunnel moves in a day, both ways together.",
    do: {
      visitor: "Try again tomorrow (UTC).",
      owner: "Ask the edge's operator for more, or use an edge of your own.",
      operator: "The limit is `megabytes-per-day`.",
    },
    retryAfter: 3600,
  },
  TUNNEL_BUSY: {
    status: 503,
    what: "Too much of this tunnel's data waits at the edge for readers that are slow.",
    why: "Answers are buffered for as long as their readers do not take them.",
    do: { visitor: "Try again in a moment.", operator: "The limit is `buffered-megabytes`." },
    retryAfter: 1,
  },
  TOO_MANY_CONNECTIONS: {
    status: 429,
    what: "Your network has too many connections to this edge, or opens them too fast.",
    why: "No network may take all of the edge's connections.",
    do: {
      visitor: "Close some of them and try again.",
      operator:
        "The limits are `connections-per-network` and `new-connections-per-second`; behind a proxy the edge has to know its address (`--trust`).",
    },
    retryAfter: 1,
  },
  EDGE_STOPPING: {
    status: 503,
    what: "This edge is restarting. Please try again.",
    why: "Its operator has stopped it or installs another version.",
    do: { visitor: "Try again in a moment." },
    retryAfter: 2,
  },
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
  TOO_MANY_TUNNELS: "This key has tunnels of as many names as one key may have at the same time.",
  TOO_MANY_CONNECTIONS: "This key has as many connections as one key may have.",
  TOO_MANY_CLAIMS: "Your network has claimed as many new names in this hour as it may. Use a key that has a name, or try again later.",
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
