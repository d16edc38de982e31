/** What is answered in place of the local service: an answer that is rehearsed for a while, and deliveries whose signature does not fit. */
import { Readable } from "node:stream";
import type { RequestHead } from "../../edge/wire/frames.ts";
import { checkDelivery, checkHead, type VerifyConfig } from "./verify.ts";

/** Meta's largest deliveries are 3 MB (WhatsApp, "Webhooks", payload size). */
const MAX_BODY = 4 * 1024 * 1024;
/** Of all bodies that are being collected. */
const MAX_COLLECTED = 64 * 1024 * 1024;
const BODY_DEADLINE_MS = 30_000;

/** An answer of the tunnel's own. */
export interface Refusal {
  status: number;
  code: string;
  text: string;
}

export interface GateConfig {
  verify: VerifyConfig | null;
  /** Everything is answered with this status, for so many milliseconds from {@link Gate.open} on; null: until the end. */
  fail: { status: number; forMs: number | null } | null;
}

export class Gate {
  readonly #config: GateConfig;
  #collected = 0;
  #failsUntil: number | null = null;

  constructor(config: GateConfig) {
    this.#config = config;
  }

  /** The tunnel is open: from now on a rehearsed failure is counted. Later calls change nothing. */
  open(now = Date.now()): void {
    this.#failsUntil ??= now + (this.#config.fail?.forMs ?? Infinity);
  }

  /** With the head alone. `body`: it takes the body to know; see {@link collect} and {@link withBody}. */
  withHead(head: RequestHead, now = Date.now()): Refusal | "body" | null {
    const { fail, verify } = this.#config;
    if (fail && now < (this.#failsUntil ?? Infinity)) {
      return { status: fail.status, code: "REHEARSED_FAILURE", text: "This failure is rehearsed: the local service was not asked." };
    }
    return verify ? checkHead(head) : null;
  }

  withBody(head: RequestHead, body: Buffer): Refusal | null {
    return this.#config.verify ? checkDelivery(head, body, this.#config.verify) : null;
  }

  /** The whole body, or why it is not taken. Rejects when the stream breaks off. */
  async collect(stream: Readable | null): Promise<Buffer | Refusal> {
    if (!stream) return Buffer.alloc(0);
    const chunks: Buffer[] = [];
    let size = 0;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      stream.destroy();
    }, BODY_DEADLINE_MS);
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        size += chunk.length;
        this.#collected += chunk.length;
        if (size > MAX_BODY) return { status: 413, code: "BODY_TOO_LARGE", text: `A signed delivery has at most ${MAX_BODY} bytes.` };
        if (this.#collected > MAX_COLLECTED) return { status: 503, code: "GATE_FULL", text: "Too many deliveries are being checked." };
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } catch (error) {
      if (late) return { status: 408, code: "BODY_TOO_SLOW", text: `The body did not come within ${BODY_DEADLINE_MS / 1000} s.` };
      throw error;
    } finally {
      clearTimeout(timer);
      this.#collected -= size;
    }
  }
}
