/** A WebSocket: once the local service has agreed, bytes go both ways untouched. */
import type { Duplex } from "node:stream";
import type { Exchange, Tunnel } from "../tunnels/tunnel.ts";
import type { StreamHandler } from "../transport/stream.ts";
import { ResetCode, type RequestHead, type ResponseHead } from "../wire/frames.ts";
import { answerRaw, destroySoon } from "./answer.ts";
import { responseHeaders } from "./headers.ts";
import { Outflow } from "./outflow.ts";
import { failureOf } from "./proxy.ts";
import type { Place } from "./usage.ts";
import { closeFrame, FrameScanner } from "./websocket-frames.ts";

/** "Service Restart": come back (IANA, WebSocket Close Code Number Registry). */
const RESTART = closeFrame(1012, "the edge restarts");

export class UpgradedConnection implements StreamHandler {
  readonly #socket: Duplex;
  readonly #first: Buffer;
  readonly #head: RequestHead;
  readonly #id: string;
  readonly #place: Place;
  readonly #outflow: Outflow;
  #exchange: Exchange | null = null;
  #started = false;
  #over = false;
  /** Of what the local service sends, once it has agreed. */
  #frames: FrameScanner | null = null;
  #leaving = false;

  /**
   * @param first bytes that came right behind the request's head.
   * @param place left when the connection closes.
   */
  constructor(socket: Duplex, first: Buffer, { head, id, place }: { head: RequestHead; id: string; place: Place }) {
    this.#socket = socket;
    this.#first = first;
    this.#head = head;
    this.#id = id;
    this.#place = place;
    this.#outflow = new Outflow(socket, place.use, (bytes) => this.#exchange?.consumed(bytes));
  }

  forward(tunnel: Tunnel): void {
    const socket = this.#socket;
    const head = this.#head;
    const exchange = tunnel.exchange(head, this);
    this.#exchange = exchange;
    if (this.#first.length > 0) exchange.write(this.#first);
    socket.on("data", (chunk: Buffer) => {
      this.#place.use.bytes += chunk.length;
      if (!exchange.write(chunk)) socket.pause();
    });
    socket.on("end", () => exchange.end());
    socket.on("error", () => this.#abort());
    socket.on("close", () => {
      this.#place.leave();
      this.#abort();
    });
  }

  onHead(head: ResponseHead): void {
    if (this.#over) return;
    this.#started = true;
    if (head.status === 101) this.#frames = new FrameScanner();
    const headers = responseHeaders(head.headers, this.#id);
    if (head.status === 101) headers.push("Connection", "Upgrade", "Upgrade", upgradeOf(head.headers));
    else headers.push("Connection", "close");
    let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
    for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
    this.#socket.write(`${text}\r\n`, "latin1");
  }

  onData(chunk: Buffer): void {
    if (this.#over) return;
    const ends = this.#frames?.scan(chunk) ?? [];
    const [end] = this.#leaving ? ends : [];
    this.#outflow.write(end === undefined ? chunk : chunk.subarray(0, end));
    if (end !== undefined) this.#sayRestart();
  }

  /** The edge is about to stop: the client is told to come back, as soon as no frame is under way. */
  leave(): void {
    if (!this.#frames || this.#frames.closed || this.#over) return;
    this.#leaving = true;
    if (this.#frames.atBoundary) this.#sayRestart();
  }

  #sayRestart(): void {
    this.#over = true;
    this.#exchange?.reset(ResetCode.CANCEL);
    this.#socket.end(RESTART);
    destroySoon(this.#socket);
  }

  onEnd(): void {
    this.#socket.end();
    // A client that is sent nothing more has nothing to stay for.
    destroySoon(this.#socket);
  }

  onReset(code: ResetCode, lost: boolean): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#started) this.#socket.destroy();
    else answerRaw(this.#socket, lost ? "TUNNEL_LOST" : failureOf(code));
  }

  onDrain(): void {
    this.#socket.resume();
  }

  #abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#exchange?.reset(ResetCode.CANCEL);
  }
}

function upgradeOf(headers: readonly string[]): string {
  for (let i = 0; i + 1 < headers.length; i += 2) if (headers[i]?.toLowerCase() === "upgrade") return headers[i + 1] ?? "";
  return "websocket";
}
