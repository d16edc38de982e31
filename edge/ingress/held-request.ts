/**
 * One POST on a held path. It always gets an answer within 3 s of its last byte, because Meta gives up after 5: the local service's own
 * where that comes in time, else 200 from the edge once the request is on disk, else 503 so that the sender tries again.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { EdgeError, type AnswerCode } from "../errors.ts";
import { answer } from "./answer.ts";
import { responseHeaders } from "./headers.ts";
import { Outflow } from "./outflow.ts";
import type { Exchange, Tunnel } from "../tunnels/tunnel.ts";
import { ResetCode, type RequestHead, type ResponseHead } from "../wire/frames.ts";
import type { StreamHandler } from "../transport/stream.ts";
import type { BodyBudget, Reservation } from "./bodies.ts";
import { encodeHead } from "../hold/head.ts";
import { MAX_BODY_BYTES } from "../hold/policy.ts";
import type { HoldContext } from "../hold/hold.ts";

/** From the head of the request to the last byte of its body; whoever takes longer is told to send it again. */
const RECEIVE_MS = 30_000;
const LIVE_MS = 2_500;
const ANSWER_MS = 2_950;
/** A live request that was stored in the meantime keeps its queue waiting for at most this long. */
const LATE_MS = 30_000;

export interface HeldRequestOptions extends HoldContext {
  name: string;
  /** Of the sender. */
  address: string;
  bodies: BodyBudget;
  /** The body turned out to be too large to be held: it goes on as an ordinary request. */
  onTooLarge: (early: { chunks: readonly Buffer[]; release: () => void }) => void;
  onDone: () => void;
  log: (line: string) => void;
}

type Phase = "receiving" | "live" | "storing" | "answered";

export class HeldRequest implements StreamHandler {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #head: RequestHead;
  readonly #options: HeldRequestOptions;
  readonly #id: string;
  readonly #memory: Reservation;
  readonly #outflow: Outflow;
  #receiving: NodeJS.Timeout | null;
  #phase: Phase = "receiving";
  #chunks: Buffer[] = [];
  #size = 0;
  #body = Buffer.alloc(0);
  #receivedAt = 0;
  #exchange: Exchange | null = null;
  /** The local service's answer is on its way to the sender. */
  #passing = false;
  /** Stored while the local service still had it. */
  #late = false;
  #timers: NodeJS.Timeout[] = [];

  constructor(request: IncomingMessage, response: ServerResponse, head: RequestHead, options: HeldRequestOptions) {
    this.#request = request;
    this.#response = response;
    this.#head = head;
    this.#options = options;
    this.#id = options.store.newDeliveryId();
    this.#memory = options.bodies.reserve(() => this.#letGo());
    this.#outflow = new Outflow(response, (bytes) => this.#exchange?.consumed(bytes));
    this.#receiving = setTimeout(() => this.#letGo(), RECEIVE_MS);
    request.on("data", this.#onBody);
    request.once("end", () => this.#onComplete());
    response.once("close", () => this.#onSenderGone());
  }

  readonly #onBody = (chunk: Buffer): void => {
    if (!this.#memory.grow(chunk.length)) {
      this.#letGo();
      return;
    }
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size <= MAX_BODY_BYTES) return;
    this.#phase = "answered";
    this.#stopReceiving();
    this.#memory.complete();
    // Without a reader the request would go on flowing, into nothing, until a tunnel takes it.
    this.#request.pause();
    this.#options.onTooLarge({ chunks: this.#chunks, release: () => this.#memory.release() });
    this.#options.onDone();
  };

  /** There is no room, or no patience left, for a body that has not come to its end. */
  #letGo(): void {
    this.#stopReceiving();
    this.#chunks = [];
    if (!this.#response.headersSent) this.#response.setHeader("Connection", "close");
    this.#refuse("HOLD_FAILED");
    this.#request.resume();
  }

  #stopReceiving(): void {
    this.#request.off("data", this.#onBody);
    if (this.#receiving) clearTimeout(this.#receiving);
    this.#receiving = null;
  }

  #onComplete(): void {
    if (this.#phase !== "receiving") return;
    this.#stopReceiving();
    this.#memory.complete();
    this.#body = Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [];
    this.#receivedAt = Date.now();
    this.#timers.push(setTimeout(() => this.#refuse("HOLD_FAILED"), ANSWER_MS));
    const tunnel = this.#options.liveTunnel();
    if (tunnel) this.#tryLive(tunnel);
    else void this.#store(0);
  }

  #tryLive(tunnel: Tunnel): void {
    this.#phase = "live";
    const headers = [...this.#head.headers, "Airy-Delivery", this.#id];
    this.#exchange = tunnel.exchange({ ...this.#head, headers, end: this.#size === 0 }, this);
    if (this.#size > 0) {
      this.#exchange.write(this.#body);
      this.#exchange.end();
    }
    this.#timers.push(setTimeout(() => this.#onSlow(), LIVE_MS));
  }

  /** The local service takes too long: stored now; should it still accept, the stored copy goes. */
  #onSlow(): void {
    if (this.#phase !== "live" || this.#passing) return;
    this.#late = true;
    this.#options.drainer.liveStarted();
    this.#timers.push(setTimeout(() => this.#giveUpLate(), LATE_MS));
    void this.#store(1);
  }

  // ------------------------------------------------------------------ the local service

  onHead(head: ResponseHead): void {
    if (this.#late) {
      this.#endLate(head.status >= 200 && head.status < 300);
      return;
    }
    if (this.#phase !== "live") return;
    if (head.status === 502 || head.status === 503 || head.status === 504) {
      this.#exchange?.reset(ResetCode.CANCEL);
      void this.#store(1);
      return;
    }
    this.#passing = true;
    this.#response.writeHead(head.status, head.reason, responseHeaders(head.headers));
  }

  onData(chunk: Buffer): void {
    if (this.#passing) this.#outflow.write(chunk);
    else this.#exchange?.consumed(chunk.length);
  }

  onEnd(): void {
    if (!this.#passing) return;
    this.#response.end();
    this.#finish();
  }

  onReset(_code: ResetCode, _lost: boolean): void {
    if (this.#late) this.#endLate(false);
    else if (this.#passing) {
      this.#response.destroy();
      this.#finish();
    } else if (this.#phase === "live") void this.#store(1);
  }

  onDrain(): void {}

  // ------------------------------------------------------------------ the store

  async #store(attempts: number): Promise<void> {
    if (this.#phase === "storing" || this.#phase === "answered") return;
    this.#phase = "storing";
    const { name, store, drainer, address, onStored, log } = this.#options;
    const webhook = { rawHead: encodeHead(this.#head), body: this.#body, source: address, receivedAt: this.#receivedAt };
    let stored = false;
    try {
      await store.append(name, this.#id, webhook);
      stored = true;
      if (attempts > 0) await store.recordAttempt(name, this.#id);
    } catch (error) {
      if (!stored) {
        this.#refuse(codeOf(error, log, name));
        return;
      }
    }
    if (this.#hasBeenAnswered()) {
      // Too late: the sender was told to send it again, and gets a new id then.
      await store.remove(name, this.#id).catch((error: Error) => log(`${name}: ${error.message}`));
      return;
    }
    this.#response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 0, "Airy-Delivery": this.#id });
    this.#response.end();
    this.#finish();
    onStored();
    drainer.wake();
  }

  #hasBeenAnswered(): boolean {
    return this.#phase === "answered";
  }

  #refuse(code: AnswerCode): void {
    if (this.#phase === "answered" || this.#passing) return;
    if (this.#late) this.#endLate(false);
    else if (this.#phase === "live") this.#exchange?.reset(ResetCode.CANCEL);
    answer(this.#response, code);
    this.#finish();
  }

  /** What became of the live request after its copy was stored is known now. */
  #endLate(accepted: boolean): void {
    if (!this.#late) return;
    this.#late = false;
    const { name, store, drainer, onChange, log } = this.#options;
    const settled = accepted ? store.remove(name, this.#id) : Promise.resolve();
    void settled
      .catch((error: Error) => log(`${name}: ${error.message}`))
      .then(() => {
        onChange();
        drainer.liveEnded();
      });
  }

  #giveUpLate(): void {
    if (!this.#late) return;
    this.#exchange?.reset(ResetCode.TIMEOUT);
    this.#endLate(false);
  }

  #onSenderGone(): void {
    if (this.#phase === "answered") return;
    if (this.#phase === "live" && !this.#late) this.#exchange?.reset(ResetCode.CANCEL);
    this.#finish();
  }

  #finish(): void {
    if (this.#phase === "answered") return;
    this.#phase = "answered";
    this.#stopReceiving();
    this.#memory.release();
    if (!this.#late) for (const timer of this.#timers) clearTimeout(timer);
    this.#options.onDone();
  }
}

function codeOf(error: unknown, log: (line: string) => void, name: string): AnswerCode {
  if (error instanceof EdgeError && error.code === "HOLD_FULL") return "HOLD_FULL";
  log(`${name}: a webhook could not be stored: ${(error as Error).message}`);
  return "HOLD_FAILED";
}
