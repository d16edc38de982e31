/** A request head as it is stored with its body, and as it is delivered later. */
import { decodeRequest, requestText, type RequestHead } from "../wire/frames.ts";

export function encodeHead(head: RequestHead): Buffer {
  return Buffer.from(requestText(head), "latin1");
}

export function decodeHead(raw: Buffer): RequestHead {
  return decodeRequest(Buffer.concat([Buffer.alloc(1), raw]));
}

/** The head of one delivery: with the id by which a repeat is recognised, which attempt this is, and how long it was held. */
export function deliveryHead(
  head: RequestHead,
  delivery: { id: string; attempt: number; heldForMs: number; empty: boolean; first: boolean },
): RequestHead {
  return {
    ...head,
    end: delivery.empty,
    ordered: true,
    first: delivery.first,
    headers: [
      ...head.headers,
      "Airy-Delivery",
      delivery.id,
      "Airy-Delivery-Attempt",
      String(delivery.attempt),
      "Airy-Held-For",
      String(Math.max(0, Math.round(delivery.heldForMs))),
    ],
  };
}
