/**
 * Certificates from an authority: one for all names by DNS, or one a name as it is claimed. Each is renewed in good time, and the one in
 * use stays until there is a better one.
 */
import { accessSync, constants } from "node:fs";
import path from "node:path";
import type tls from "node:tls";
import type { Log } from "../../log.ts";
import { EdgeError } from "../../errors.ts";
import { covers, type Certificate, type Certificates } from "../certificate.ts";
import { Authority, OrderFailed } from "./authority.ts";
import { Challenges, type ChallengeType } from "./challenges.ts";
import { OrderBudget, renewAt, retryAfter, type OrderLimits } from "./schedule.ts";
import { AcmeStore, readPem } from "./store.ts";

export interface AcmeConfig {
  /** URL of the authority's directory. */
  directory: string;
  email: string | null;
  /** For single names. */
  challenge: Exclude<ChallengeType, "dns-01">;
  /** Program that writes records into DNS (see {@link Challenges}): one certificate for the domain and all names below it. */
  hook: string | null;
}

export interface AcmeOptions extends AcmeConfig {
  domain: string;
  dataDir: string;
  /** Whether this host is claimed: for no other is anything ordered. */
  mayHave: (host: string) => boolean | Promise<boolean>;
  limits: () => OrderLimits;
  /** An order has to wait for this limit. */
  onLimited: (limit: keyof OrderLimits) => void;
  /** A host has got its first certificate. */
  onFirst: (covered: (host: string) => boolean) => void;
  log: Log;
}

/** One certificate, there or to be. */
interface Entry {
  host: string;
  certificate: Certificate | null;
  /** Epoch milliseconds of the next order. */
  due: number;
  failures: number;
  ordering: Promise<void> | null;
}

/** How often is looked what is due. */
const LOOK_EVERY_MS = 10_000;
/** A client that says hello, or logs in, waits so long for its certificate. */
export const WAIT_MS = 8_000;
/** Hosts that wait for a certificate; the rest asks again. */
const MAX_WAITING = 1_000;
/** An authority's clock may be ahead of ours. */
const CLOCKS_MS = 5 * 60_000;

/** Throws EDGE_TLS when what is kept cannot be read. */
export function openAcme(options: AcmeOptions): AcmeCertificates {
  try {
    checkHook(options.hook);
    return new AcmeCertificates(options);
  } catch (cause) {
    throw new EdgeError("EDGE_TLS", (cause as Error).message, { cause });
  }
}

/** Throws an Error that says why the program cannot be run. */
export function checkHook(hook: string | null): void {
  if (hook !== null) accessSync(hook, constants.X_OK);
}

export class AcmeCertificates implements Certificates {
  readonly challenges: Challenges;
  readonly #options: AcmeOptions;
  readonly #store: AcmeStore;
  readonly #budget: OrderBudget;
  readonly #authority: Authority;
  readonly #entries = new Map<string, Entry>();
  readonly #wildcard: string | null;
  readonly #timer: NodeJS.Timeout;
  /** The end of the queue of orders: one at a time. */
  #queue: Promise<unknown> = Promise.resolve();
  #failures = 0;
  #closed = false;

  constructor(options: AcmeOptions) {
    this.#options = options;
    const { dataDir, directory, email, hook, domain, log } = options;
    this.#store = new AcmeStore(path.join(dataDir, "acme"), directory);
    this.#budget = new OrderBudget(this.#store, options.limits);
    this.challenges = new Challenges(hook);
    this.#authority = new Authority({ directory, email, store: this.#store, challenges: this.challenges, log });
    this.#wildcard = hook === null ? null : `*.${domain}`;
    const kept = this.#store.certificates((host, reason) => log(`the certificate of ${host} is not used: ${reason}`));
    for (const [host, certificate] of kept) this.#entries.set(host, entryOf(host, certificate));
    if (this.#wildcard && !kept.has(this.#wildcard)) this.#entries.set(this.#wildcard, entryOf(this.#wildcard, null));
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
    if (this.#wildcard) log(`certificates: one for ${this.#wildcard} from ${directory}`);
    else log(`certificates: one for each claimed name from ${directory}`);
  }

  start(): void {
    this.#look();
  }

  of(servername: string): Certificate | null | Promise<Certificate | null> {
    const there = this.#find(servername);
    return there ?? this.ready(servername, WAIT_MS).then(() => this.#find(servername));
  }

  fallback(): Certificate | null {
    for (const { certificate } of this.#entries.values()) if (certificate) return certificate;
    return null;
  }

  serves(host: string): boolean {
    return (this.#find(host)?.notAfter ?? 0) > Date.now();
  }

  /** Resolves when there is a certificate for this host, or there will be none before `ms` have passed. */
  async ready(host: string, ms: number): Promise<void> {
    if (this.serves(host) || this.#closed) return;
    const entry = await this.#entryFor(host);
    if (!entry) return;
    this.#order(entry);
    if (!entry.ordering) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
    await Promise.race([entry.ordering, late]);
    clearTimeout(timer);
  }

  expiries(): { name: string; notAfter: number }[] {
    return [...this.#entries.values()].flatMap(({ host, certificate }) =>
      certificate ? [{ name: host, notAfter: certificate.notAfter }] : [],
    );
  }

  failures(): number {
    return this.#failures;
  }

  challengeContext(host: string): tls.SecureContext | null {
    return this.challenges.secureContext(host);
  }

  challengeAnswer(host: string, target: string): string | null {
    return this.challenges.httpAnswer(host, target);
  }

  /** What failed is tried again now, unless the authority has asked for patience. */
  reload(): void {
    for (const entry of this.#entries.values()) if (entry.failures > 0) entry.due = Date.now();
    this.#look();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  // ------------------------------------------------------------------ which

  #find(host: string): Certificate | null {
    const own = this.#entries.get(host)?.certificate;
    if (own) return own;
    const shared = this.#wildcard ? this.#entries.get(this.#wildcard)?.certificate : null;
    return shared && covers(shared, host) ? shared : null;
  }

  /** Null: for this host nothing is ordered. */
  async #entryFor(host: string): Promise<Entry | null> {
    const { domain, mayHave } = this.#options;
    const below = host === domain || (host.endsWith(`.${domain}`) && !host.slice(0, -domain.length - 1).includes("."));
    if (this.#wildcard && below) return this.#entries.get(this.#wildcard) ?? null;
    const known = this.#entries.get(host);
    if (known) return known;
    if (host !== domain && !(await mayHave(host))) return null;
    const waiting = [...this.#entries.values()].filter(({ certificate }) => certificate === null).length;
    if (waiting >= MAX_WAITING) return null;
    const entry = this.#entries.get(host) ?? entryOf(host, null);
    this.#entries.set(host, entry);
    return entry;
  }

  // ------------------------------------------------------------------ when

  #look(): void {
    for (const entry of this.#entries.values()) this.#order(entry);
  }

  /** Puts it into the queue when it is due. */
  #order(entry: Entry): void {
    if (this.#closed || entry.ordering || entry.due > Date.now()) return;
    const { ms, reason, limit } = this.#budget.wait(entry.certificate === null);
    if (ms > 0) {
      if (limit) this.#options.onLimited(limit);
      entry.due = Date.now() + ms;
      this.#options.log(`a certificate for ${entry.host} is ordered in ${Math.ceil(ms / 60_000)} minutes: ${reason}`);
      return;
    }
    const ordered = this.#queue.then(() => this.#carryOut(entry)).catch((error: Error) => this.#failed(entry, error));
    this.#queue = ordered;
    entry.ordering = ordered.finally(() => {
      entry.ordering = null;
    });
  }

  async #carryOut(entry: Entry): Promise<void> {
    if (this.#closed || !(await this.#stillWanted(entry))) return;
    const { log } = this.#options;
    const first = entry.certificate === null;
    // Others may have used up what was left when this one was put into the queue.
    const { ms } = this.#budget.wait(first);
    if (ms > 0) {
      entry.due = Date.now() + ms;
      return;
    }
    try {
      this.#budget.take(first);
      const pem = await this.#authority.order(this.#hostsOf(entry), entry.host === this.#wildcard ? "dns-01" : this.#options.challenge);
      this.#use(entry, pem);
      log(`certificate for ${entry.host}, until ${new Date(entry.certificate?.notAfter ?? 0).toISOString()}`);
    } catch (error) {
      this.#failed(entry, error as Error);
      return;
    }
    this.#budget.succeeded();
    if (first && !this.#closed) this.#options.onFirst((host) => this.#find(host) === entry.certificate);
  }

  #hostsOf({ host }: Entry): string[] {
    return host === this.#wildcard ? [host, this.#options.domain] : [host];
  }

  /** A name that nobody has any more needs no certificate. */
  async #stillWanted({ host, certificate }: Entry): Promise<boolean> {
    const { domain, mayHave, log } = this.#options;
    if (host === this.#wildcard || host === domain || (await mayHave(host))) return true;
    this.#entries.delete(host);
    this.#store.removeCertificate(host);
    if (certificate) log(`the certificate of ${host} is not renewed: the name is nobody's`);
    return false;
  }

  /** Throws when the new one is no better than the one in use. */
  #use(entry: Entry, pem: string): void {
    const fresh = readPem(pem);
    const missing = this.#hostsOf(entry).find((host) => !covers(fresh, host.replace(/^\*/, "any")));
    if (missing) throw new Error(`the new certificate is not for ${missing}`);
    if (fresh.notBefore > Date.now() + CLOCKS_MS)
      throw new Error(`the new certificate is not good before ${new Date(fresh.notBefore).toISOString()}`);
    if (entry.certificate && fresh.notAfter <= entry.certificate.notAfter)
      throw new Error("the new certificate ends no later than the one in use");
    this.#store.saveCertificate(entry.host, pem);
    entry.certificate = fresh;
    entry.due = renewAt(fresh);
    entry.failures = 0;
  }

  #failed(entry: Entry, error: Error): void {
    this.#failures += 1;
    entry.failures += 1;
    const general = error instanceof OrderFailed && error.general;
    const ms = general ? this.#budget.pause(error.retryAfterMs) : retryAfter(entry.failures);
    entry.due = Date.now() + ms;
    const stays = entry.certificate ? "; the one in use stays" : "";
    this.#options.log(
      `no certificate for ${entry.host}: ${error.message}${stays}; tried again in ${Math.ceil(ms / 60_000)} minutes`,
      "warn",
    );
  }
}

function entryOf(host: string, certificate: Certificate | null): Entry {
  return { host, certificate, due: certificate ? renewAt(certificate) : 0, failures: 0, ordering: null };
}
