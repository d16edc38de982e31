/** The JSON messages of the tunnel protocol: who the agent is, what the edge answers, and what they ask of each other later. */
import { z } from "zod";

/** Chosen by the other side, and shown in logs and terminals: neither a line of its own nor an escape sequence gets that far. */
const shown = (longest: number) =>
  z
    .string()
    .max(longest)
    .transform((text) => text.replaceAll(/\p{Cc}/gu, "?"));

/** First frame of the agent. */
export const Hello = z.object({
  /** `airy/0.1.0`, for the operator's logs. */
  agent: shown(100),
  /** A chosen name; null: the one that follows from the key. */
  name: z.string().max(63).nullable().default(null),
  /** A random name, forgotten when the connection ends. */
  ephemeral: z.boolean().default(false),
  /** Random per process: a reconnect of the same process is told apart from a second process with the same key. */
  instance: z.string().max(64),
  /** Path prefixes whose POSTs may be acknowledged and kept by the edge while they cannot be delivered. */
  hold: z.array(z.string().max(200)).max(20).default([]),
  /** Hold only what carries a well-formed `X-Hub-Signature-256`. */
  holdSigned: z.boolean().default(true),
});
export type Hello = z.infer<typeof Hello>;

/** The edge's answer: the tunnel is open. */
export const Welcome = z.object({
  identifier: z.string().regex(/^[a-z0-9-]{1,63}$/),
  /** Public base URL without a slash at the end. */
  url: z.string().max(300).refine(isOrigin),
  /** How long webhooks are kept for this tunnel, hours; 0: they are not. */
  holdHours: z.number(),
});
export type Welcome = z.infer<typeof Welcome>;

/** The edge's answer: the tunnel will not open. */
export const Refused = z.object({ code: shown(40), message: shown(1_000) });
export type Refused = z.infer<typeof Refused>;

/**
 * One side is about to close this connection. Of the edge: `TAKEN_OVER` is final, `EDGE_STOPPING` says when to come back. Of the agent:
 * `CLOSING`.
 */
export const GoAway = z.object({ code: shown(40), retryAfterMs: z.number().min(0).max(600_000) });
export type GoAway = z.infer<typeof GoAway>;

/** What the edge holds for this tunnel; sent whenever it changes, at most once a second. */
export const Status = z.object({
  held: z.object({ entries: z.number(), bytes: z.number(), dead: z.number(), oldest: shown(40).nullable() }).nullable(),
});
export type Status = z.infer<typeof Status>;

/** A question of the agent about its own tunnel; answered by a {@link Reply} with the same id. */
export const Call = z.object({ id: z.number().int(), method: z.enum(["dead.list", "dead.replay", "hold.purge"]) });
export type Call = z.infer<typeof Call>;

export const Reply = z.object({ id: z.number().int(), result: z.unknown() });
export type Reply = z.infer<typeof Reply>;

/** What is asked of this URL, and what is registered elsewhere, begins with it: it must not bring a path or anything else of its own. */
function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}
