/**
 * Pictures and recordings for the inbox page: fetched from the source by the platform, so that the page loads nothing from outside, works
 * with a stand-in whose pictures are not on https, and lets nobody outside know when a message is looked at. Only addresses that a stored
 * message, contact or channel holds are fetched, so that this is no proxy for anything else.
 */
import http from "node:http";
import type { IncomingMessage } from "node:http";
import https from "node:https";
import { pipeline, Readable, Transform } from "node:stream";
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import { publicLookup, reachable } from "./reach.ts";
import { uploadAt, uploadHeaders } from "./uploads.ts";

interface MediaAnswer {
  status: number;
  headers: Record<string, string>;
  body: Readable | string;
}

export interface Media {
  /**
   * @param query one of `message`, `conversation`, `channel` (an id), and `url`.
   * @param headers of the request; `range` is passed on.
   * @param signal the client went away.
   */
  answer(query: unknown, headers: Record<string, string | string[] | undefined>, signal: AbortSignal): Promise<MediaAnswer>;
  close(): void;
}

interface Dependencies {
  database: Database;
  /** Base of the Graph API. Anything but Facebook's own is a stand-in, whose pictures are on this machine. */
  graphUrl: string | null;
  log: (line: string) => void;
}

/** Meta takes attachments of up to 25 MB; a picture or video that is larger is not one of its. */
const MOST_BYTES = 100 * 1024 * 1024;
const AT_ONCE = 32;
/** A source that says nothing for this long is given up. */
const SILENT_MS = 20_000;
const MOST_REDIRECTS = 3;

const querySchema = z.object({
  message: z.guid().optional(),
  conversation: z.guid().optional(),
  channel: z.guid().optional(),
  url: z.string().min(1).max(8_000),
});

const owners = {
  message: { name: "media_message", text: "select content as held from message where id = $1" },
  conversation: { name: "media_conversation", text: "select to_json(avatar_url) as held from conversation where id = $1" },
  channel: { name: "media_channel", text: "select metadata as held from channel where id = $1" },
} as const;

// A picture that is opened by itself may be SVG, which could otherwise run scripts as this page.
const headersOfAll = {
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  "cache-control": "private, max-age=86400",
  "content-disposition": "inline",
};

export function createMedia({ database, graphUrl, log }: Dependencies): Media {
  const standIn = graphUrl === null || new URL(graphUrl).hostname.endsWith("facebook.com") ? null : new URL(graphUrl);
  const outside = new https.Agent({ keepAlive: true, lookup: publicLookup });
  const inside = { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) };
  let underWay = 0;

  async function isHeld(query: z.output<typeof querySchema>): Promise<boolean> {
    for (const kind of ["message", "conversation", "channel"] as const) {
      const id = query[kind];
      if (id === undefined) continue;
      const [row] = await database.query<{ held: unknown }>(owners[kind], [id]);
      return row !== undefined && holds(row.held, query.url);
    }
    return false;
  }

  function get(url: URL, checked: boolean, headers: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    const secure = url.protocol === "https:";
    const agent = checked ? outside : secure ? inside.https : inside.http;
    return new Promise((resolve, reject) => {
      const request = (secure ? https : http).get(url, { headers, signal, agent }, resolve);
      request.setTimeout(SILENT_MS, () => request.destroy(new Error(`nothing came for ${SILENT_MS} ms`)));
      request.on("error", reject);
    });
  }

  async function fetchFrom(address: string, range: string | undefined, signal: AbortSignal) {
    let next = address;
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      const target = reachable(next, standIn);
      if (target === null) return null;
      const headers = { accept: "image/*, audio/*, video/*", ...(range === undefined ? {} : { range }) };
      const response = await get(target.url, target.checked, headers, signal);
      const { statusCode: status = 0 } = response;
      const { location } = response.headers;
      if (status < 300 || status >= 400 || location === undefined) return { status, response };
      response.resume();
      next = new URL(location, target.url).href;
    }
    return null;
  }

  async function answer(given: unknown, headers: Parameters<Media["answer"]>[1], signal: AbortSignal): Promise<MediaAnswer> {
    const site = headers["sec-fetch-site"];
    if (site !== undefined && site !== "same-origin" && site !== "none") return failure(404, "no such picture");
    const query = querySchema.safeParse(given);
    if (!query.success || !(await isHeld(query.data))) return failure(404, "no such picture");
    const own = await uploadAt(database, query.data.url);
    if (own) return { status: 200, headers: uploadHeaders(own), body: Readable.from([own.body]) };
    if (underWay >= AT_ONCE) return { ...failure(503, "too many pictures at once"), headers: { ...json, "retry-after": "1" } };
    underWay += 1;
    const done = once(() => (underWay -= 1));
    try {
      const { range } = headers;
      const found = await fetchFrom(query.data.url, typeof range === "string" ? range : undefined, signal);
      if (found === null) return finished(done, failure(404, "pictures are not fetched from there"));
      const { status, response } = found;
      const type = String(response.headers["content-type"] ?? "");
      const ok = (status === 200 || status === 206) && /^(image|audio|video)\//i.test(type);
      if (!ok || Number(response.headers["content-length"] ?? 0) > MOST_BYTES) {
        response.destroy();
        return finished(done, failure(404, `the source answered ${status} ${type.slice(0, 60)}`));
      }
      const body = pipeline(response, atMost(MOST_BYTES), done);
      return { status, headers: { ...headersOfAll, ...passedOn(response.headers) }, body };
    } catch (error) {
      done();
      if (!signal.aborted) log(`a picture could not be fetched: ${error instanceof Error ? error.message : String(error)}`);
      return failure(502, "the source does not answer");
    }
  }

  return {
    answer,
    close() {
      for (const agent of [outside, inside.http, inside.https]) agent.destroy();
    },
  };
}

/** Whether `address` stands somewhere in the JSON value, as a whole. */
function holds(value: unknown, address: string): boolean {
  const left = [value];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (next === address) return true;
    if (typeof next === "object" && next !== null) left.push(...Object.values(next).filter((inner) => inner !== undefined));
  }
  return false;
}

function passedOn(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const names = ["content-type", "content-length", "content-range", "accept-ranges"];
  return Object.fromEntries(names.flatMap((name) => (typeof headers[name] === "string" ? [[name, headers[name]]] : [])));
}

function atMost(most: number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      seen += chunk.length;
      if (seen > most) callback(new Error(`larger than ${most} bytes`));
      else callback(null, chunk);
    },
  });
}

const json = { "content-type": "application/json" };

function failure(status: number, text: string): MediaAnswer {
  return { status, headers: json, body: JSON.stringify({ message: text }) };
}

function finished<T>(done: () => void, value: T): T {
  done();
  return value;
}

function once(work: () => void): () => void {
  let did = false;
  return () => {
    if (!did) work();
    did = true;
  };
}
