/** What is shown of a request that came through the tunnel, and sending it again. */
import { z } from "zod";
import { signatureHeaders } from "../../compose/facebook/contract.ts";
import { fail } from "../errors.ts";
import { createHttpClient } from "../io/http.ts";
import { indentJson } from "../io/json-text.ts";
import { Masker } from "../report/mask.ts";
import { firstBytes, networkCode } from "../sources/facebook/answers.ts";
import type { Exchange, Kept } from "../tunnel/captures.ts";

/** Of a message as it is shown: secrets are masked, a body that is no text is in base64. */
export interface ShownMessage {
  headers: [name: string, value: string][];
  body: string;
  /** A body of JSON on several lines; null where it is none. */
  indented: string | null;
  encoding: "text" | "base64";
  /** Bytes of the body that were not kept. */
  cut: number;
}

export interface ShownExchange {
  request: ShownMessage & { id: string; at: string; method: string; target: string };
  /** null: there was none. */
  response: (ShownMessage & { status: number; durationMs: number }) | null;
}

export interface Replayed {
  url: string;
  /** Whether it was signed anew. */
  signed: boolean;
  status: number;
  durationMs: number;
  /** The beginning of the answer. */
  body: string;
}

export interface Inspector {
  show(exchange: Exchange): ShownExchange;
  /** @param asked `{to?, body?}`, the body in base64. Throws REQUEST_CUT, REPLAY_FAILED, INVALID_ARGUMENT. */
  replay(exchange: Exchange, asked: unknown): Promise<Replayed>;
}

const askedSchema = z.object({ to: z.string().optional(), body: z.string().optional() });

const TIMEOUT_MS = 30_000;

/** Those of one connection, and what is written anew. */
const NOT_AGAIN = /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|expect)$/i;
const SECRET_HEADERS = /^(?:authorization|proxy-authorization|cookie|set-cookie|x-api-key)$/i;
const SECRET_QUERY = /([?&](?:hub\.verify_token|access_token|token|secret|password|key|signature)=)[^&#]*/gi;

/** @param target where the tunnel leads to. */
export function createInspector(given: { target: string; appSecret: string | null; secrets: readonly string[] }): Inspector {
  const http = createHttpClient();
  const masker = new Masker();
  for (const secret of given.secrets) masker.hide(secret);

  function shown({ headers, body, cut }: Kept): ShownMessage {
    const text = body.toString("utf8");
    const isText = !text.includes("\u0000") && Buffer.from(text).equals(body);
    const pairs = pairsOf(headers).map(([name, value]): [string, string] => [
      name,
      SECRET_HEADERS.test(name) ? "********" : masker.mask(value),
    ]);
    if (!isText) return { headers: pairs, body: body.toString("base64"), indented: null, encoding: "base64", cut };
    return { headers: pairs, body: masker.mask(text), indented: indentJson(masker.mask(text)), encoding: "text", cut };
  }

  return {
    show({ record, target, request, response }) {
      const { id, at, method, status, durationMs } = record;
      const shownTarget = masker.mask(target.replaceAll(SECRET_QUERY, "$1********"));
      return {
        request: { id, at, method, target: shownTarget, ...shown(request) },
        response: response && { status, durationMs, ...shown(response) },
      };
    },

    async replay({ record, target, request }, asked) {
      const parsed = askedSchema.safeParse(asked);
      if (!parsed.success) return fail("INVALID_ARGUMENT", { command: "replay", reason: "What is to be sent cannot be read." });
      const { to, body: edited } = parsed.data;
      if (edited === undefined && request.cut > 0) fail("REQUEST_CUT", { id: record.id });
      const body = edited === undefined ? request.body : Buffer.from(edited, "base64");
      const url = urlOf(given.target, to, target);
      const elsewhere = url.origin !== new URL(given.target).origin;
      const headers: Record<string, string> = {};
      for (const [name, value] of pairsOf(request.headers)) {
        // Meant for this machine's service, and for no other.
        if (NOT_AGAIN.test(name) || (elsewhere && SECRET_HEADERS.test(name))) continue;
        headers[name.toLowerCase()] = value;
      }
      const signed = edited !== undefined && given.appSecret !== null && record.method === "POST";
      if (signed) Object.assign(headers, signatureHeaders(given.appSecret ?? "", body));
      const started = performance.now();
      try {
        const withBody = record.method === "GET" || record.method === "HEAD" ? {} : { body };
        const answer = await http({ method: record.method, url: url.href, headers, ...withBody, timeoutMs: TIMEOUT_MS });
        const durationMs = Math.round((performance.now() - started) * 10) / 10;
        return { url: url.origin + url.pathname, signed, status: answer.status, durationMs, body: masker.mask(firstBytes(answer.body)) };
      } catch (error) {
        return fail("REPLAY_FAILED", { host: url.host, cause: networkCode(error) }, { cause: error });
      }
    },
  };
}

/** Throws INVALID_ARGUMENT. */
function urlOf(own: string, to: string | undefined, target: string): URL {
  if (to === undefined) return new URL(target, own);
  const url = URL.canParse(to) ? new URL(to) : null;
  if (!url || !/^https?:$/.test(url.protocol)) {
    return fail("INVALID_ARGUMENT", { command: "replay", reason: `--to takes an http or https address; got "${to.slice(0, 200)}".` });
  }
  return url.pathname === "/" && url.search === "" ? new URL(target, url) : url;
}

function pairsOf(headers: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) pairs.push([headers[i] ?? "", headers[i + 1] ?? ""]);
  return pairs;
}
