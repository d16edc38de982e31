/**
 * What the local service's answer to a held webhook says to those behind it. Both ends go by it: the agent decides whether the next one is
 * taken to the service, the edge which of them it has to send again. What counts is the head of the answer; its body may never end.
 */

/**
 * `accepted`: 2xx. `refused`: 401 or 403, which is what a forgery gets, and everything while the service has the wrong secret; it is no
 * reason to keep others waiting. `failed`: everything else; what is behind it waits until this one is settled.
 */
export type Reception = "accepted" | "refused" | "failed";

export function receptionOf(status: number): Reception {
  if (status >= 200 && status < 300) return "accepted";
  return status === 401 || status === 403 ? "refused" : "failed";
}
