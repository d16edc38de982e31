/** A certificate with its key, ready to be shown to clients. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import tls from "node:tls";

export interface Certificate {
  pem: { cert: string | Buffer; key: string | Buffer };
  context: tls.SecureContext;
  leaf: X509Certificate;
  /** Epoch milliseconds. */
  notBefore: number;
  notAfter: number;
}

/**
 * TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3. CBC and static RSA are what sslscan and testssl.sh find fault
 * with (LUCKY13, ROBOT).
 */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

export const TLS_OPTIONS = {
  minVersion: "TLSv1.2",
  ciphers: CIPHERS,
  ecdhCurve: "X25519:P-256:P-384",
  honorCipherOrder: true,
} as const satisfies tls.SecureContextOptions;

/**
 * Throws an Error that says what is wrong: no PEM, a key of another certificate, expired.
 * @param chain PEM, the certificate itself first.
 * @param key PEM, without a passphrase.
 */
export function readCertificate(chain: string | Buffer, key: string | Buffer, now = Date.now()): Certificate {
  const leaf = new X509Certificate(chain);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error("the key does not belong to the certificate");
  const notAfter = Date.parse(leaf.validTo);
  if (notAfter <= now) throw new Error(`the certificate has expired on ${new Date(notAfter).toISOString()}`);
  const pem = { cert: chain, key };
  return { pem, context: tls.createSecureContext({ ...pem, ...TLS_OPTIONS }), leaf, notBefore: Date.parse(leaf.validFrom), notAfter };
}

/** Whether clients take this certificate for the host (RFC 6125: alternative names only, a wildcard for one label). */
export function covers({ leaf }: Pick<Certificate, "leaf">, host: string): boolean {
  return leaf.checkHost(host, { subject: "never", partialWildcards: false }) !== undefined;
}

/** Where certificates come from. */
export interface Certificates {
  /** Fetches what is missing. The listeners have to be there: an authority comes back by them. */
  start(): void;
  /** The one for a host, which may have to be fetched first, or whichever there is for a client that names another one; null: none. */
  of(servername: string): Certificate | null | Promise<Certificate | null>;
  /** For a client that names no host. */
  fallback(): Certificate | null;
  /** Whether links to this host may say https. */
  serves(host: string): boolean;
  /** Resolves when there is a certificate for this host, or it is known that there will be none within `ms`. */
  ready(host: string, ms: number): Promise<void>;
  /** What is shown in a handshake for `acme-tls/1` (RFC 8737); null: nobody is asked to prove this host. */
  challengeContext(host: string): tls.SecureContext | null;
  /** What is answered to an HTTP request for this host and target (RFC 8555 section 8.3); null: nothing of ours. */
  challengeAnswer(host: string, target: string): string | null;
  /** What there is, for the operator: by name, when it expires. */
  expiries(): { name: string; notAfter: number }[];
  /** How often getting or reading one has failed. */
  failures(): number;
  /** Looks again now. */
  reload(): void;
  close(): void;
}
