/**
 * Lets through what Meta has signed, and its verification of the webhook (`GET` with `hub.mode=subscribe`); the local service sees nothing
 * else. Pure. Signatures: compose/facebook/contract.ts.
 */
import { verifySignature } from "../../compose/facebook/contract.ts";
import type { Refusal } from "./gate.ts";

export interface VerifyConfig {
  /** App secrets of which one has signed; more than one while a secret is being changed. */
  secrets: readonly string[];
  /** Whether the older `X-Hub-Signature` (SHA-1) counts where there is no `X-Hub-Signature-256`. */
  sha1: boolean;
}

interface Head {
  method: string;
  target: string;
  /** Names and values in turn. */
  headers: readonly string[];
  upgrade?: boolean;
}

const unsigned = (text: string): Refusal => ({ status: 401, code: "SIGNATURE_INVALID", text });

/** Null: it passes as it is. `body`: {@link checkDelivery} has to see the body. */
export function checkHead(head: Head): Refusal | "body" | null {
  if (head.method === "POST" && !head.upgrade) {
    const signed = valuesOf(head, "x-hub-signature-256").length + valuesOf(head, "x-hub-signature").length > 0;
    return signed ? "body" : unsigned("This delivery is not signed.");
  }
  const query = new URLSearchParams(head.target.split("?").slice(1).join("?"));
  if (head.method === "GET" && !head.upgrade && query.get("hub.mode") === "subscribe" && query.has("hub.challenge")) return null;
  return unsigned("Only signed deliveries are taken here.");
}

/** In constant time over the raw bytes. A header that comes twice is no signature. */
export function checkDelivery(head: Head, body: Uint8Array, { secrets, sha1 }: VerifyConfig): Refusal | null {
  const sha256 = valuesOf(head, "x-hub-signature-256");
  const older = valuesOf(head, "x-hub-signature");
  if (sha256.length > 1 || older.length > 1) return unsigned("The signature of this delivery is not clear.");
  if (sha256.length === 0 && !sha1) return unsigned("This delivery carries no SHA-256 signature.");
  const headers = { "x-hub-signature-256": sha256[0], "x-hub-signature": sha1 ? older[0] : undefined };
  // All of them are tried, so that the time says nothing about which one it was.
  const valid = secrets.filter((secret) => verifySignature(secret, body, headers) === "valid").length > 0;
  return valid ? null : unsigned("The signature of this delivery does not fit.");
}

function valuesOf({ headers }: Head, name: string): string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name);
}
