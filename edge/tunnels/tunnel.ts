/** A connected tunnel as the ingress sees it, whichever client is at its other end. */
import type { RequestHead, ResetCode } from "../wire/frames.ts";
import type { StreamHandler } from "../transport/stream.ts";
import type { RefusalCode } from "../errors.ts";
import type { Status } from "../wire/messages.ts";

/** The far half of one request; {@link StreamHandler} is the near one. */
export interface Exchange {
  /** False: wait for `onDrain`. */
  write(chunk: Buffer): boolean;
  end(): void;
  reset(code: ResetCode): void;
  consumed(bytes: number): void;
}

export interface Tunnel {
  readonly name: string;
  readonly kind: "agent" | "ssh";
  /** Random per client process; a reconnect of the same process is not a takeover. */
  readonly instance: string;
  readonly client: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Requests in flight. */
  readonly inFlight: number;
  exchange(head: RequestHead, handler: StreamHandler): Exchange;
  /** Takes no more requests and ends when those in flight are done, at the latest after `graceMs`. */
  drain(code: Extract<RefusalCode, "TAKEN_OVER" | "EDGE_STOPPING">, retryAfterMs: number, graceMs: number): void;
  destroy(): void;
  /** Tells the client what is held for it; a plain `ssh -R` has no ear for that. */
  tellStatus?(status: Status): void;
}
