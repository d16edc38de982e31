/** The webhook path: Meta's verification handshake and its deliveries. */
import { createHash, timingSafeEqual } from "node:crypto";
import { verifySignature } from "../../../facebook/contract.ts";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { describeError } from "../database/errors.ts";
import { createBodyReader } from "../http/body.ts";
import type { Reply } from "../http/reply.ts";
import { empty, message } from "../http/reply.ts";
import type { App } from "../http/server.ts";
import { write } from "../http/server.ts";
import type { Inbound } from "./inbound.ts";

export interface WebhookCounters {
  /** Deliveries that were committed. */
  deliveries: number;
  /** Deliveries without a signature, or with a wrong one. */
  rejectedSignatures: number;
  /** Deliveries that were answered 503. */
  notCommitted: number;
}

interface WebhookOptions {
  /** null: no app is configured. */
  facebook: { appSecret: string; verifyToken: string } | null;
  inbound: Inbound;
  log: (line: string) => void;
}

// Meta sends at most 1000 updates a delivery; that is 32 KB for each of them. Strangers reach this path, hence a common limit.
const BODY_LIMITS = { each: 32 * 1024 * 1024, together: 128 * 1024 * 1024 };
/** Meta waits 5 s. What is committed after we gave up is recognised when Meta repeats it. */
const ANSWER_WITHIN_MS = 4_000;
const LOG_EVERY_MS = 10_000;

/** Adds the path that Meta calls; its bodies are read as bytes, because it is bytes that are signed. */
export function webhookRoutes(app: App, { facebook, inbound, log }: WebhookOptions): WebhookCounters {
  const counters: WebhookCounters = { deliveries: 0, rejectedSignatures: 0, notCommitted: 0 };
  const read = createBodyReader(BODY_LIMITS);
  const lastLogged = new Map<string, number>();

  /** Strangers must not be able to fill the log. */
  function logRarely(kind: string, line: string): void {
    if (Date.now() - (lastLogged.get(kind) ?? 0) < LOG_EVERY_MS) return;
    lastLogged.set(kind, Date.now());
    log(line);
  }

  function reject(verdict: string): Reply {
    counters.rejectedSignatures += 1;
    logRarely(
      "rejected",
      `webhook refused: signature ${verdict} (${counters.rejectedSignatures} since the start); is the app secret right?`,
    );
    return message(401, `signature ${verdict}`);
  }

  /** Meta repeats what is answered 503. */
  function notNow(reason: string): Reply {
    counters.notCommitted += 1;
    logRarely("not committed", `webhook not taken, to be repeated by the sender: ${reason} (${counters.notCommitted} since the start)`);
    const reply = message(503, "not committed, please repeat");
    return { ...reply, headers: { ...reply.headers, "retry-after": "1" } };
  }

  function verify(query: URLSearchParams): Reply {
    const challenge = query.get("hub.challenge");
    const token = query.get("hub.verify_token");
    if (challenge === null || token === null) return message(400, "hub.challenge and hub.verify_token are needed");
    if (facebook === null || !sameText(token, facebook.verifyToken)) return message(403, "wrong verify token");
    return { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body: challenge };
  }

  async function take(request: IncomingMessage): Promise<Reply> {
    const got = await read(request);
    if (!got.ok) return notNow(`body ${got.reason}`);
    try {
      const verdict =
        facebook === null
          ? "not checked: no app is configured"
          : verifySignature(facebook.appSecret, got.body, signatures(request.headers));
      if (verdict !== "valid") return reject(verdict);
      const delivery = request.headers["airy-delivery"];
      await within(ANSWER_WITHIN_MS, inbound.receive(got.body, typeof delivery === "string" ? delivery : null));
      counters.deliveries += 1;
      return empty(200);
    } catch (error) {
      return notNow(describeError(error));
    } finally {
      got.release();
    }
  }

  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The handler reads the bytes itself.
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.get("/facebook", { schema: { hide: true } }, async (request, reply) => {
      const url = request.raw.url ?? "";
      return write(reply, verify(new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "")));
    });
    scope.post("/facebook", { schema: { hide: true } }, async (request, reply) => write(reply, await take(request.raw)));
  });
  return counters;
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let late: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    late = setTimeout(() => reject(new Error(`no commit within ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(late);
  }
}

function signatures(headers: IncomingHttpHeaders) {
  const one = (value: string | string[] | undefined) => (Array.isArray(value) ? value.join(",") : value);
  return { "x-hub-signature-256": one(headers["x-hub-signature-256"]), "x-hub-signature": one(headers["x-hub-signature"]) };
}

/** In constant time; digests, because `timingSafeEqual` wants equal lengths. */
function sameText(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
