/** How a certificate authority is shown that a host is ours (RFC 8555 section 8, RFC 8737): by HTTP, by TLS, or by a record in DNS. */
import { execFile } from "node:child_process";
import tls from "node:tls";

export type ChallengeType = "http-01" | "tls-alpn-01" | "dns-01";

/** The protocol by which an authority asks for the certificate of {@link Challenges.secureContext}. */
export const ACME_ALPN = "acme-tls/1";
const HTTP_PATH = "/.well-known/acme-challenge/";
/** A record in DNS takes its time until all servers of a zone have it. */
const HOOK_MS = 5 * 60_000;

export interface HookCall {
  action: "present" | "cleanup";
  /** `_acme-challenge.tunnel.example.com` */
  record: string;
  /** Of the TXT record. */
  value: string;
}

export class Challenges {
  readonly #http = new Map<string, string>();
  readonly #tls = new Map<string, tls.SecureContext>();
  readonly #hook: string | null;
  #lastCall: Promise<unknown> = Promise.resolve();

  /** @param hook program that writes records into DNS. */
  constructor(hook: string | null) {
    this.#hook = hook;
  }

  /** What is answered to a GET for this path at this host; null: nobody has asked us to, so the request is somebody else's. */
  httpAnswer(host: string, path: string): string | null {
    return path.startsWith(HTTP_PATH) ? (this.#http.get(`${host} ${path.slice(HTTP_PATH.length)}`) ?? null) : null;
  }

  /** What a TLS hello for `acme-tls/1` is answered with. */
  secureContext(host: string): tls.SecureContext | null {
    return this.#tls.get(host) ?? null;
  }

  present(type: ChallengeType, host: string, { token, value, alpn }: ChallengeAnswer): Promise<void> {
    if (type === "http-01") this.#http.set(`${host} ${token}`, value);
    if (type === "tls-alpn-01") this.#tls.set(host, tls.createSecureContext({ ...alpn, minVersion: "TLSv1.2" }));
    return type === "dns-01" ? this.#call({ action: "present", record: `_acme-challenge.${host}`, value }) : Promise.resolve();
  }

  cleanup(type: ChallengeType, host: string, { token, value }: ChallengeAnswer): Promise<void> {
    if (type === "http-01") this.#http.delete(`${host} ${token}`);
    if (type === "tls-alpn-01") this.#tls.delete(host);
    return type === "dns-01" ? this.#call({ action: "cleanup", record: `_acme-challenge.${host}`, value }) : Promise.resolve();
  }

  /** One at a time: a wildcard and its domain have two values under one name, and programs that change zones seldom expect company. */
  #call(call: HookCall): Promise<void> {
    const next = this.#lastCall.then(() => runHook(this.#hook ?? "", call));
    this.#lastCall = next.catch(() => {});
    return next;
  }
}

export interface ChallengeAnswer {
  token: string;
  /** Key authorization, or of DNS its digest. */
  value: string;
  /** Of TLS: certificate and key. */
  alpn?: { cert: Buffer; key: Buffer };
}

/**
 * `HOOK present|cleanup RECORD VALUE`, without a shell and with the edge's own environment. It ends with 0 when the zone's servers answer
 * with the value (or no longer do). Throws an Error with the end of what it said otherwise.
 */
function runHook(hook: string, { action, record, value }: HookCall): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(hook, [action, record, value], { timeout: HOOK_MS, killSignal: "SIGKILL", maxBuffer: 64 * 1024 }, (error, stdout, stderr) => {
      if (!error) return resolve();
      const said = `${stdout}${stderr}`.trim().split("\n").at(-1)?.slice(0, 300);
      const how = error.killed ? `took longer than ${HOOK_MS / 60_000} minutes` : `ended with ${error.code ?? error.signal}`;
      reject(new Error(`${hook} ${action} ${how}${said ? `: ${said}` : ""}`));
    });
  });
}
