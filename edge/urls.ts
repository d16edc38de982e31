/** The URLs that clients are told, without a path. */
import type { Certificates } from "./tls/certificate.ts";

export interface UrlsOptions {
  domain: string;
  /** In the URLs; null: the listener's own. */
  publicPort: number | null;
  httpPort: () => number;
  httpsPort: () => number | null;
  certificates: () => Certificates | null;
}

export class Urls {
  readonly #options: UrlsOptions;

  constructor(options: UrlsOptions) {
    this.#options = options;
  }

  of(name: string): string {
    const { domain, publicPort, httpPort, httpsPort } = this.#options;
    const host = `${name}.${domain}`;
    const secure = this.secure(host);
    if (secure !== null) return secure;
    // With TLS here the port that is named is that of https; http is beside it, on the usual port where that is.
    const port = httpsPort() === null ? (publicPort ?? httpPort()) : publicPort === 443 ? 80 : httpPort();
    // 443 is the port of somebody else's TLS in front of this edge.
    return port === 443 ? `https://${host}` : `http://${host}${port === 80 ? "" : `:${port}`}`;
  }

  /** @param host as in a Host header; null: there is no certificate for it. */
  secure(host: string): string | null {
    const { publicPort, httpsPort, certificates } = this.#options;
    const name = host.replace(/\.?(?::\d+)?$/, "").toLowerCase();
    const listening = httpsPort();
    if (listening === null || !certificates()?.serves(name)) return null;
    const port = publicPort ?? listening;
    return `https://${name}${port === 443 ? "" : `:${port}`}`;
  }
}
