/** A certificate authority that speaks ACME (RFC 8555), by acme-client, which is loaded when the first certificate is ordered. */
import type { Authorization, Client } from "acme-client";
import type { ChallengeAnswer, Challenges, ChallengeType } from "./challenges.ts";
import type { AcmeStore } from "./store.ts";

/** One request to the authority, and everything until there is a certificate. */
const REQUEST_MS = 30_000;
const ORDER_MS = 10 * 60_000;

/** Why there is no certificate. */
export class OrderFailed extends Error {
  /** Of the authority as such (it is away, or has enough of us), not of this host. */
  readonly general: boolean;
  /** How long it asks for patience; null: it has not said. */
  readonly retryAfterMs: number | null;

  constructor(message: string, general: boolean, retryAfterMs: number | null, cause: unknown) {
    super(message, { cause });
    this.general = general;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface AuthorityOptions {
  directory: string;
  email: string | null;
  store: AcmeStore;
  challenges: Challenges;
  log: (line: string) => void;
}

export class Authority {
  readonly #options: AuthorityOptions;
  #client: Promise<Loaded> | null = null;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /**
   * A new key and its certificate for these hosts. Throws {@link OrderFailed}.
   * @returns PEM: key and chain.
   */
  async order(hosts: readonly string[], type: ChallengeType): Promise<string> {
    try {
      return await within(ORDER_MS, this.#attempt(hosts, type));
    } catch (error) {
      throw asFailure(error, refusal);
    }
  }

  /** An authority that has lost our account is told it again, with the same key. */
  async #attempt(hosts: readonly string[], type: ChallengeType): Promise<string> {
    refusal = null;
    try {
      return await this.#order(await this.#loaded(), hosts, type);
    } catch (error) {
      const { store } = this.#options;
      const account = store.account();
      if ((refusal as Refusal | null)?.type !== "accountDoesNotExist" || !account?.url) throw error;
      store.saveAccount({ ...account, url: null });
      this.#client = null;
      refusal = null;
      return this.#order(await this.#loaded(), hosts, type);
    }
  }

  #loaded(): Promise<Loaded> {
    this.#client ??= this.#load().catch((error: unknown) => {
      this.#client = null;
      throw error;
    });
    return this.#client;
  }

  async #order({ library, client }: Loaded, hosts: readonly string[], type: ChallengeType): Promise<string> {
    const { email, challenges, store, log } = this.#options;
    const key = await library.crypto.createPrivateEcdsaKey();
    const [, csr] = await library.crypto.createCsr({ altNames: [...hosts] }, key);
    const answers = new Map<string, ChallengeAnswer>();
    const chain = await client.auto({
      csr,
      ...(email ? { email } : {}),
      termsOfServiceAgreed: true,
      // The authority sees for itself; seen from here a host may look different (no way back through one's own router).
      skipChallengeVerification: true,
      challengePriority: [type],
      challengeCreateFn: async (authorization, challenge, keyAuthorization) => {
        // With an account from now on, also when this order fails.
        const account = store.account();
        if (account?.url === null) store.saveAccount({ ...account, url: client.getAccountUrl() });
        if (challenge.type !== type) throw new Error(`the authority does not offer ${type} for this host`);
        const answer = await answerTo(library, authorization, { type, token: challenge.token }, keyAuthorization);
        answers.set(challenge.url, answer);
        await challenges.present(type, authorization.identifier.value, answer);
      },
      challengeRemoveFn: async (authorization, challenge) => {
        const answer = answers.get(challenge.url);
        if (answer) await challenges.cleanup(type, authorization.identifier.value, answer).catch((error: Error) => log(error.message));
      },
    });
    return `${key.toString().trim()}\n${chain}`;
  }

  async #load(): Promise<Loaded> {
    const { directory, store } = this.#options;
    const library = await loadLibrary();
    let account = store.account();
    if (!account) {
      account = { key: (await library.crypto.createPrivateEcdsaKey()).toString(), url: null };
      // Before it is used: an account whose key is lost counts against the authority's limits all the same.
      store.saveAccount(account);
    }
    const client = new library.Client({
      directoryUrl: directory,
      accountKey: account.key,
      ...(account.url ? { accountUrl: account.url } : {}),
      backoffAttempts: 12,
      backoffMin: 250,
      backoffMax: 15_000,
    });
    return { library, client };
  }
}

type Library = typeof import("acme-client");
interface Loaded {
  library: Library;
  client: Client;
}

/** What an authority says when it does not want something (RFC 8555 section 6.7). */
interface Refusal {
  status: number;
  type: string;
  retryAfterMs: number | null;
}

/** The last one: acme-client's errors are text, and hide the status and the Retry-After behind them. Orders come one at a time. */
let refusal: Refusal | null = null;
let library: Promise<Library> | null = null;

/**
 * By itself acme-client sleeps for as long as an authority says, hours even, and ends in a TypeError where the authority cannot be reached
 * (src/axios.js). When to come back is decided in schedule.ts.
 */
function loadLibrary(): Promise<Library> {
  library ??= import("acme-client").then((module) => {
    // It is CommonJS, of which a bundle has nothing but the default export; its types do not name that.
    const { default: loaded } = module as unknown as { default: Library };
    const { defaults, interceptors } = loaded.axios;
    defaults.timeout = REQUEST_MS;
    interceptors.response.clear();
    interceptors.response.use(null, (error: { response?: Parameters<typeof note>[0] }) => {
      if (!error.response) throw error;
      note(error.response);
      return error.response;
    });
    return loaded;
  });
  return library;
}

function note({ status, data, headers }: { status: number; data?: { type?: unknown } | null; headers: Record<string, unknown> }): void {
  if (status < 400) return;
  const type = String(data?.type ?? "").replace(/^urn:ietf:params:acme:error:/, "");
  refusal = { status, type, retryAfterMs: patience(headers["retry-after"]) };
}

/** Seconds or a date (RFC 9110 section 10.2.3). */
function patience(header: unknown): number | null {
  if (typeof header !== "string") return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return ms > 0 ? ms : null;
}

function asFailure(error: unknown, refusal: Refusal | null): OrderFailed {
  const { message, code, isAxiosError } = error as Error & { code?: string; isAxiosError?: boolean };
  const busy = refusal !== null && (refusal.status === 429 || refusal.status >= 500);
  const account = /^(accountDoesNotExist|unauthorized|userActionRequired|externalAccountRequired|invalidContact|unsupportedContact)$/;
  const ours = refusal !== null && refusal.status !== 404 && account.test(refusal.type);
  return new OrderFailed(message || code || "unknown", isAxiosError === true || busy || ours, refusal?.retryAfterMs ?? null, error);
}

async function answerTo(
  library: Library,
  authorization: Authorization,
  { type, token }: { type: ChallengeType; token: string },
  keyAuthorization: string,
): Promise<ChallengeAnswer> {
  if (type !== "tls-alpn-01") return { token, value: keyAuthorization };
  const [key, cert] = await library.crypto.createAlpnCertificate(authorization, keyAuthorization);
  return { token, value: keyAuthorization, alpn: { key, cert } };
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no certificate within ${ms / 60_000} minutes`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
