/** A certificate and its key in files that somebody else renews: read again when they change. */
import { readFileSync, statSync } from "node:fs";
import type { Log } from "../log.ts";
import { EdgeError } from "../errors.ts";
import { covers, readCertificate, type Certificate, type Certificates } from "./certificate.ts";

export interface CertificateFiles {
  /** PEM, the certificate itself first, then those between it and the root. */
  cert: string;
  /** PEM, without a passphrase. */
  key: string;
}

const LOOK_EVERY_MS = 2_000;

/** Throws EDGE_TLS when they cannot be used. */
export function openFiles(files: CertificateFiles, domain: string, log: Log): Certificates {
  return new FileCertificates(files, domain, log);
}

class FileCertificates implements Certificates {
  readonly #files: CertificateFiles;
  readonly #domain: string;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #current: Certificate;
  #stamp = "";
  #failures = 0;

  constructor(files: CertificateFiles, domain: string, log: Log) {
    this.#files = files;
    this.#domain = domain;
    this.#log = log;
    try {
      this.#stamp = this.#stampNow();
      this.#current = this.#read();
    } catch (cause) {
      throw new EdgeError("EDGE_TLS", `${files.cert}, ${files.key}: ${(cause as Error).message}.`, { cause });
    }
    this.#describe();
    this.#timer = setInterval(() => this.#look(false), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  start(): void {}

  of(): Certificate {
    return this.#current;
  }

  fallback(): Certificate {
    return this.#current;
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  challengeContext(): null {
    return null;
  }

  challengeAnswer(): null {
    return null;
  }

  serves(host: string): boolean {
    return covers(this.#current, host) && this.#current.notAfter > Date.now();
  }

  expiries(): { name: string; notAfter: number }[] {
    return [{ name: `*.${this.#domain}`, notAfter: this.#current.notAfter }];
  }

  failures(): number {
    return this.#failures;
  }

  reload(): void {
    this.#look(true);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** The two files are seldom written at the same moment: what does not fit together is tried again when it changes. */
  #look(always: boolean): void {
    try {
      const stamp = this.#stampNow();
      if (stamp === this.#stamp && !always) return;
      this.#stamp = stamp;
      this.#current = this.#read();
      this.#describe();
    } catch (error) {
      const stamp = (error as Error).message;
      if (stamp === this.#stamp && !always) return;
      this.#failures += 1;
      // A file that is away is one state, not news every two seconds.
      if ((error as NodeJS.ErrnoException).code !== undefined) this.#stamp = stamp;
      this.#log(`the certificate in use stays, the new one cannot be read: ${(error as Error).message}`, "warn");
    }
  }

  #describe(): void {
    const { leaf, notAfter } = this.#current;
    this.#log(`certificate for ${leaf.subjectAltName ?? leaf.subject}, until ${new Date(notAfter).toISOString()}`);
    if (!covers(this.#current, `name.${this.#domain}`))
      this.#log(`this certificate is not for *.${this.#domain}: clients are told http URLs where it does not fit`);
  }

  #read(): Certificate {
    return readCertificate(readFileSync(this.#files.cert), readFileSync(this.#files.key));
  }

  #stampNow(): string {
    return [this.#files.cert, this.#files.key]
      .map((file) => statSync(file))
      .map((s) => `${s.mtimeMs} ${s.size} ${s.ino}`)
      .join();
  }
}
