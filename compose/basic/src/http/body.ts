/**
 * Request bodies, bounded for one request and for all together. Strangers who send slowly could take all of the common allowance; so, when
 * it is used up, those that have been on their way for the longest are given up for those that come.
 */
import type { IncomingMessage } from "node:http";

export interface BodyLimits {
  /** Bytes of one body. */
  each: number;
  /** Bytes of all bodies that are being read or worked on. */
  together: number;
}

type ReadBody =
  /** `release` gives the bytes back to the common allowance; call it when the body is done with. */
  { ok: true; body: Buffer; release: () => void } | { ok: false; reason: "too large" | "too many" };

/**
 * Rejects when the client goes away in the middle. A body that is too large is read to its end but not kept, so that the client gets
 * to see the answer.
 */
export type BodyReader = (request: IncomingMessage) => Promise<ReadBody>;

export function createBodyReader(limits: BodyLimits): BodyReader {
  let held = 0;
  /** How to give up those that are on their way, oldest first. */
  const coming = new Map<IncomingMessage, () => void>();
  return (request) =>
    new Promise((resolve, reject) => {
      let chunks: Buffer[] = [];
      let size = 0;
      let refused: "too large" | "too many" | null = null;
      const release = () => {
        held -= size;
        size = 0;
      };
      const refuse = (reason: "too large" | "too many") => {
        refused = reason;
        chunks = [];
        coming.delete(request);
        release();
      };
      coming.set(request, () => refuse("too many"));
      request.on("data", (chunk: Buffer) => {
        if (refused) return;
        if (size + chunk.length > limits.each) return refuse("too large");
        for (const [other, giveUp] of coming) {
          if (held + chunk.length <= limits.together) break;
          if (other !== request) giveUp();
        }
        if (held + chunk.length > limits.together) return refuse("too many");
        size += chunk.length;
        held += chunk.length;
        chunks.push(chunk);
      });
      request.on("end", () => {
        coming.delete(request);
        if (refused) resolve({ ok: false, reason: refused });
        else resolve({ ok: true, body: Buffer.concat(chunks), release });
      });
      request.on("close", () => {
        coming.delete(request);
        if (request.complete) return;
        release();
        reject(new Error("the client went away"));
      });
    });
}
