/**
 * A sender of webhooks that behaves like Meta: signed POSTs, 5 s for the answer, and whatever was not 200 is sent again, at once and then
 * with backoff, byte for byte the same. Several lanes work side by side; each of them sends one at a time, so that its order is known.
 */
import http from "node:http";
import { metaJson, signatureHeaders } from "../../compose/facebook/contract.ts";

/** Meta's patience. */
const ANSWER_WITHIN_MS = 5_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 1_000;

export interface MetaSenderOptions {
  /** Where the edge listens for the public. */
  port: number;
  /** Public name of the tunnel, for the Host header. */
  host: string;
  path: string;
  appSecret: string;
  /** Webhooks in all, numbered from 0; number n goes through lane n modulo `lanes`. */
  count: number;
  lanes: number;
  /** Webhooks a second, all lanes together; a lane that was held up goes on as fast as it can. */
  rate: number;
  body: (n: number) => Buffer;
}

export interface SentWebhook {
  n: number;
  attempts: number;
  acknowledged: boolean;
}

export interface MetaSender {
  /** By number; those that were not begun are not there. */
  webhooks: Map<number, SentWebhook>;
  acknowledged(): number;
  /** Answers and failures that were not 200, by status or error code. */
  refusals: Map<string, number>;
  /** The longest time between two acknowledgements in a row, all lanes together, milliseconds. */
  longestGapMs(): number;
  /** Resolves once so many are acknowledged, or when the sender has ended. */
  reached(acknowledged: number): Promise<void>;
  /** Resolves when all are acknowledged, or it was stopped. */
  ended: Promise<void>;
  /** Begins nothing new. */
  stop(): void;
}

export function startMetaSender(options: MetaSenderOptions): MetaSender {
  const agent = new http.Agent({ keepAlive: true, maxSockets: options.lanes });
  const webhooks = new Map<number, SentWebhook>();
  const refusals = new Map<string, number>();
  const waiting = new Set<{ count: number; resolve: () => void }>();
  const startedAt = performance.now();
  let acknowledged = 0;
  let lastAt = startedAt;
  let longest = 0;
  const stop = new AbortController();
  let over = false;

  function wake(): void {
    for (const one of waiting) {
      if (acknowledged < one.count && !over) continue;
      waiting.delete(one);
      one.resolve();
    }
  }

  async function lane(first: number): Promise<void> {
    for (let n = first; n < options.count && !stop.signal.aborted; n += options.lanes) {
      const early = startedAt + (n * 1000) / options.rate - performance.now();
      if (early > 0) await sleep(early);
      if (stop.signal.aborted) return;
      await deliver(n);
    }
  }

  async function deliver(n: number): Promise<void> {
    const body = options.body(n);
    const webhook: SentWebhook = { n, attempts: 0, acknowledged: false };
    webhooks.set(n, webhook);
    while (!stop.signal.aborted) {
      webhook.attempts += 1;
      const outcome = await post(options, agent, body);
      if (outcome === "200") {
        webhook.acknowledged = true;
        acknowledged += 1;
        const now = performance.now();
        longest = Math.max(longest, now - lastAt);
        lastAt = now;
        wake();
        return;
      }
      refusals.set(outcome, (refusals.get(outcome) ?? 0) + 1);
      if (webhook.attempts > 1) await sleep(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (webhook.attempts - 2)));
    }
  }

  const ended = Promise.all(Array.from({ length: options.lanes }, (_, first) => lane(first))).then(() => {
    over = true;
    agent.destroy();
    wake();
  });
  return {
    webhooks,
    refusals,
    acknowledged: () => acknowledged,
    longestGapMs: () => Math.round(longest),
    reached: (count) =>
      new Promise((resolve) => {
        waiting.add({ count, resolve });
        wake();
      }),
    ended,
    stop: () => stop.abort(),
  };
}

/** Meta's delivery of one text message; `padding` makes it longer. */
export function messageDelivery(page: string, n: number, mid: string, padding = 0): Buffer {
  const at = 1_700_000_000_000 + n;
  const text = `message ${n}${".".repeat(padding)}`;
  const item = { sender: { id: `${2000 + (n % 7)}` }, recipient: { id: page }, timestamp: at, message: { mid, text } };
  return metaJson({ object: "page", entry: [{ id: page, time: at, messaging: [item] }] });
}

/** Resolves with the status, or with what went wrong. */
function post(options: MetaSenderOptions, agent: http.Agent, body: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const request = http.request({
      host: "127.0.0.1",
      port: options.port,
      method: "POST",
      path: options.path,
      agent,
      headers: {
        host: options.host,
        "user-agent": "facebookexternalua",
        accept: "*/*",
        "content-type": "application/json",
        "content-length": body.length,
        ...signatureHeaders(options.appSecret, body),
      },
    });
    const late = setTimeout(() => request.destroy(Object.assign(new Error("no answer in time"), { code: "TIMEOUT" })), ANSWER_WITHIN_MS);
    const settle = (outcome: string) => {
      clearTimeout(late);
      resolve(outcome);
    };
    request.on("error", (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    request.on("response", (response) => {
      response.resume();
      response.on("error", (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
      response.on("end", () => settle(response.complete ? String(response.statusCode) : "INCOMPLETE"));
    });
    request.end(body);
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
