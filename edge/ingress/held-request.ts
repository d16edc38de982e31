/**
 * One POST on a held path. It always gets an answer within 3 s of its last byte, because Meta gives up after 5: the local service's own
 * where that comes in time, else 200 from the edge once the request is on disk, else 503 so that the sender tries again. What leads to what
 * is in `webhook.ts`.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { EdgeError, type AnswerCode } from "../errors.ts";
import { encodeHead } from "../hold/head.ts";
import type { HoldContext } from "../hold/hold.ts";
import { MAX_BODY_BYTES } from "../hold/policy.ts";
import type { StreamHandler } from "../transport/stream.ts";
import type { Exchange, Tunnel } from "../tunnels/tunnel.ts";
import { ResetCode, type RequestHead, type ResponseHead } from "../wire/frames.ts";
import { receptionOf } from "../wire/reception.ts";
import { answer } from "./answer.ts";
import type { BodyBudget, Reservation } from "./bodies.ts";
import { responseHeaders } from "./headers.ts";
import { Outflow } from "./outflow.ts";
import type { TunnelUse } from "./usage.ts";
import { next, type WebhookAction, type WebhookEvent, type WebhookState } from "./webhook.ts";

/** From the head of the request to the last byte of its body; whoever takes longer is told to send it again. */
const RECEIVE_MS = 30_000;
/** The service's own answer is waited for so long before a copy is written. */
const SLOW_MS = 2_500;
/** From the last byte until the sender has to have an answer. */
const OVERDUE_MS = 2_950;
/** A live request that was stored in the meantime keeps its queue waiting for at most this long. */
const LATE_MS = 30_000;

export interface HeldRequestOptions {
  hold: HoldContext;
  name: string;
  /** Of the sender. */
  address: string;
  /** For {@link answer}. */
  id: string;
  use: Pick<TunnelUse, "bytes" | "buffered">;
  bodies: BodyBudget;
  /**
   * The body turned out to be too large to be held: it goes on as an ordinary request. `release` gives back the memory of what was
   * read.
   */
  onTooLarge: (early: { chunks: readonly Buffer[]; release: () => void }) => void;
  /** The sender has its answer, or has gone. */
  onDone: () => void;
  log: (line: string) => void;
}

export class HeldRequest implements StreamHandler {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #head: RequestHead;
  readonly #options: HeldRequestOptions;
  readonly #id: string;
  readonly #memory: Reservation;
  #outflow: Outflow | null = null;
  #timers: NodeJS.Timeout[] = [];
  #state: WebhookState = "receiving";
  #chunks: Buffer[] = [];
  #size = 0;
  #receivedAt = 0;
  #tunnel: Tunnel | null = null;
  #exchange: Exchange | null = null;
  /** Of the local service. */
  #answer: ResponseHead | null = null;
  /** Once it has been at the local service. */
  #attempts = 0;
  /** Why there is no promise. */
  #refusal: AnswerCode = "HOLD_FAILED";
  #handedBack = false;
  #done = false;

  constructor(request: IncomingMessage, response: ServerResponse, head: RequestHead, options: HeldRequestOptions) {
    this.#request = request;
    this.#response = response;
    this.#head = head;
    this.#options = options;
    this.#id = options.hold.store.newDeliveryId();
    this.#memory = options.bodies.reserve(() => this.#on("evicted"));
    this.#after(RECEIVE_MS, "evicted");
    request.on("data", this.#onBody);
    request.once("end", () => this.#on("complete"));
    response.once("close", () => this.#on("gone"));
  }

  // ------------------------------------------------------------------ from the sender

  readonly #onBody = (chunk: Buffer): void => {
    if (!this.#memory.grow(chunk.length)) {
      this.#on("evicted");
      return;
    }
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    this.#options.use.bytes += chunk.length;
    if (this.#size > MAX_BODY_BYTES) this.#on("tooLarge");
  };

  // ------------------------------------------------------------------ from the local service

  onHead(head: ResponseHead): void {
    this.#answer = head;
    if (head.status === 502 || head.status === 503 || head.status === 504) this.#on("unavailable");
    else this.#on(receptionOf(head.status) === "accepted" ? "accepted" : "answered");
  }

  onData(chunk: Buffer): void {
    if (this.#state !== "passing") {
      this.#exchange?.consumed(chunk.length);
      return;
    }
    this.#outflow ??= new Outflow(this.#response, this.#options.use, (bytes) => this.#exchange?.consumed(bytes));
    this.#outflow.write(chunk);
  }

  onEnd(): void {
    this.#endOfAnswer();
    this.#on("ended");
  }

  onReset(_code: ResetCode, _lost: boolean): void {
    this.#endOfAnswer();
    this.#on("broke");
  }

  onDrain(): void {}

  // ------------------------------------------------------------------ what the table says

  static readonly #perform: Record<WebhookAction, (one: HeldRequest) => void> = {
    handBack: (one) => {
      one.#handedBack = true;
      one.#memory.complete();
      // Without a reader the request would go on flowing, into nothing, until a tunnel takes it.
      one.#request.pause();
      one.#options.onTooLarge({ chunks: one.#chunks, release: () => one.#memory.release() });
    },
    drop: (one) => {
      if (!one.#response.headersSent) one.#response.setHeader("Connection", "close");
      one.#request.resume();
    },
    decide: (one) => one.#decide(),
    ask: (one) => one.#ask(),
    store: (one) => void one.#store(),
    refuse: (one) => answer(one.#response, one.#refusal, one.#options.id),
    acknowledge: (one) => {
      one.#response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 0, "Airy-Delivery": one.#id });
      one.#response.end();
      one.#options.hold.onStored();
      if (one.#state === "late") one.#after(LATE_MS, "tooLate");
    },
    pass: (one) => {
      one.#freeBody();
      if (!one.#answer) return;
      const { status, reason, headers } = one.#answer;
      one.#response.writeHead(status, reason, responseHeaders(headers, one.#options.id));
    },
    finish: (one) => one.#response.end(),
    breakOff: (one) => one.#response.destroy(),
    cancel: (one) => one.#exchange?.reset(ResetCode.CANCEL),
    discard: (one) => {
      if (one.#exchange) one.#options.hold.unreadAnswers().add(one.#exchange);
    },
    withdraw: (one) => void one.#withdraw(),
    block: (one) => one.#options.hold.blockQueue(),
    unblock: (one) => one.#options.hold.unblockQueue(),
  };

  #on(event: WebhookEvent): void {
    const transition = next(this.#state, event);
    if (!transition) return;
    if (this.#state === "receiving") this.#stopReceiving();
    this.#state = transition.to;
    for (const action of transition.do) HeldRequest.#perform[action](this);
    if (this.#state === "late" || this.#state === "over") this.#settleSender();
    if (this.#state === "over") this.#clearTimers();
  }

  #decide(): void {
    this.#memory.complete();
    this.#receivedAt = Date.now();
    this.#after(OVERDUE_MS, "overdue");
    const tunnel = this.#options.hold.liveTunnel();
    if (!(tunnel instanceof Promise)) this.#decided(tunnel);
    else
      tunnel.then(
        (found) => this.#decided(found),
        () => this.#decided(null),
      );
  }

  #decided(tunnel: Tunnel | null): void {
    this.#tunnel = tunnel;
    this.#on(tunnel ? "free" : "occupied");
  }

  #ask(): void {
    this.#attempts = 1;
    this.#after(SLOW_MS, "slow");
    const headers = [...this.#head.headers, "Airy-Delivery", this.#id];
    try {
      const exchange = this.#tunnel?.exchange({ ...this.#head, headers, end: this.#size === 0 }, this);
      this.#exchange = exchange ?? null;
      if (this.#size === 0) return;
      for (const chunk of this.#chunks) exchange?.write(chunk);
      exchange?.end();
    } catch (error) {
      this.#options.log(`${this.#options.name}: ${this.#id} cannot be sent: ${(error as Error).message}`);
      this.#on("broke");
    }
  }

  async #store(): Promise<void> {
    const { name, hold, address, log } = this.#options;
    const body = Buffer.concat(this.#chunks, this.#size);
    const webhook = { rawHead: encodeHead(this.#head), body, source: address, receivedAt: this.#receivedAt };
    try {
      await hold.store.append(name, this.#id, webhook, this.#attempts);
    } catch (error) {
      if (error instanceof EdgeError && error.code === "HOLD_FULL") this.#refusal = "HOLD_FULL";
      else log(`${name}: a webhook could not be stored: ${(error as Error).message}`);
      this.#on("unstored");
      return;
    }
    this.#on("stored");
  }

  async #withdraw(): Promise<void> {
    const { name, hold, log } = this.#options;
    await hold.store.remove(name, this.#id).catch((error: Error) => log(`${name}: ${error.message}`));
    hold.unblockQueue();
  }

  // ------------------------------------------------------------------ what ends

  #stopReceiving(): void {
    this.#request.off("data", this.#onBody);
    this.#clearTimers();
  }

  #endOfAnswer(): void {
    if (this.#state === "over" && this.#exchange) this.#options.hold.unreadAnswers().ended(this.#exchange);
  }

  #settleSender(): void {
    if (this.#done) return;
    this.#done = true;
    this.#freeBody();
    this.#options.onDone();
  }

  #freeBody(): void {
    this.#chunks = [];
    // A request that is handed back keeps its memory until it is taken.
    if (!this.#handedBack) this.#memory.release();
  }

  #after(ms: number, event: WebhookEvent): void {
    this.#timers.push(setTimeout(() => this.#on(event), ms));
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }
}
