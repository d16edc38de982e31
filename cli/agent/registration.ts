/**
 * Keeps the webhook and the pages registered while the workspace runs: at every `airy up`, when the stand-in was started again, and every
 * 10 minutes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { AiryEventBody, Emit, PageStatus } from "../events.ts";
import { connectAction } from "../checks/deliveries.ts";
import { type AiryError, asAiryError, errorBody, type ErrorBody, whyOf } from "../errors.ts";
import { retry } from "../io/retry.ts";
import type { CheckedPage } from "../sources/facebook/pages.ts";
import type { Source, SourceTarget } from "../sources/source.ts";

const EVERY_MS = 10 * 60 * 1000;
/** A service that was just started needs a moment. */
const STARTED_DELAYS_MS = [250, 500, 1000, 2000, 4000, 8000];

const noPage = {
  code: "NO_PAGE",
  message: "No page is connected yet: the webhook is registered, and nothing will arrive.",
  action: "FACEBOOK_USER_TOKEN=... airy webhook connect",
};

export interface RegistrationContext {
  /** null: no app is configured. */
  source: Source | null;
  /** Asks the platform to look at the pages; null: it cannot say. */
  pages: () => Promise<CheckedPage[] | null>;
  /** Connects the page of the stand-in, where it is not; null without a stand-in. */
  connectOwn: { pageId: string; connect: () => Promise<unknown> } | null;
  emit: Emit;
  signal: AbortSignal;
  log: (line: string) => void;
}

export interface CheckOptions {
  /** Consent to replace a webhook that is not ours. */
  replaceWebhook: boolean;
  /** A person asked: also what was given back on purpose is taken again. */
  asked: boolean;
}

export interface Checked {
  /** One sentence for each thing that was put right. */
  repairs: string[];
  /** What is not as it should be and could not be put right. */
  failure: ErrorBody | null;
}

export class Registration {
  readonly #context: RegistrationContext;
  readonly #known = new Map<string, string>();
  /** The platform could not ask about a page at the last look. */
  #unsure = false;
  #pages: PageStatus[] | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(context: RegistrationContext) {
    this.#context = context;
  }

  /** Pages and accounts as they were seen last; null before anybody has looked. */
  get pages(): PageStatus[] | null {
    return this.#pages;
  }

  /** One at a time. Never rejects, but when the signal is used. */
  check(target: SourceTarget, options: CheckOptions): Promise<Checked> {
    const mine = this.#turn.then(() => this.#check(target, options));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  /** Until the signal. */
  async watch(target: SourceTarget, everyMs = EVERY_MS): Promise<void> {
    const { signal, source } = this.#context;
    while (!signal.aborted) {
      await sleep(everyMs, undefined, { signal }).catch(() => {});
      if (signal.aborted || source?.busy) continue;
      await this.check(target, { replaceWebhook: false, asked: false }).catch(() => {});
    }
  }

  /** After the stand-in was started again: it may have forgotten page and webhook, and needs a moment. */
  async afterStart(target: SourceTarget): Promise<void> {
    const { signal } = this.#context;
    const attempt = () => this.check(target, { replaceWebhook: false, asked: false });
    await retry(attempt, { delaysMs: STARTED_DELAYS_MS, again: ({ failure }) => failure !== null || this.#unsure, signal }).catch(() => {});
  }

  /** The pages alone. */
  async checkPages(): Promise<string[]> {
    const { pages, connectOwn } = this.#context;
    const repairs: string[] = [];
    let found = await pages();
    if (found && connectOwn && !found.some((page) => page.source_channel_id === connectOwn.pageId)) {
      await connectOwn.connect();
      repairs.push("The page of the stand-in was not connected, and is again.");
      found = await pages();
    }
    this.#unsure = found?.some(({ state }) => state === "unknown") ?? false;
    for (const page of found ?? []) this.#tellPage(page, repairs);
    if (found) this.#keepPages(found);
    // Without one nothing arrives, however well the webhook is.
    const none = found?.length === 0 && !connectOwn ? noPage : null;
    this.#once("pages", none, this.#context.emit);
    return repairs;
  }

  #keepPages(found: readonly CheckedPage[]): void {
    const pages = found.map(({ source, source_channel_id: id, name, state, message }): PageStatus => {
      return { source, id, name, state: state === "repaired" ? "ok" : state, reason: message };
    });
    if (JSON.stringify(pages) === JSON.stringify(this.#pages)) return;
    this.#pages = pages;
    this.#context.emit({ type: "pages", pages });
  }

  async #check(target: SourceTarget, { replaceWebhook, asked }: CheckOptions): Promise<Checked> {
    const { source, emit, signal } = this.#context;
    if (!source) return { repairs: [], failure: null };
    const repairs: string[] = [];
    let failure: AiryError | null = null;
    const keep = (error: unknown): void => {
      signal.throwIfAborted();
      failure ??= asAiryError(error);
    };
    const webhook = async (): Promise<void> => {
      const { webhooks, repairs: done } = await source.repair(target, { replaceWebhook, asked }, emit, signal);
      repairs.push(...done);
      for (const each of webhooks) emit({ type: "webhook", webhook: each });
    };
    await Promise.all([webhook().catch(keep), this.checkPages().then((done) => repairs.push(...done), keep)]);
    for (const message of repairs) emit({ type: "warning", code: "WEBHOOK_REPAIRED", message });
    this.#tell(failure);
    return { repairs, failure: failure && errorBody(failure) };
  }

  /** What goes on failing is said once. */
  #tell(failure: AiryError | null): void {
    const { emit, log } = this.#context;
    if (failure) log(`webhook: ${failure.code} ${failure.message} ${whyOf(failure)}`);
    // The evidence has another trace id each time.
    this.#once("webhook", failure && { code: failure.code, message: failure.message }, emit);
  }

  #tellPage(page: CheckedPage, repairs: string[]): void {
    const called = `${page.source === "instagram" ? "The Instagram account" : "The page"} ${page.name} (${page.source_channel_id})`;
    if (page.state === "repaired")
      repairs.push(`${called} was not subscribed to the app any more, or lacked fields, and is subscribed again.`);
    const message = `${called} is broken: Facebook says: ${page.message ?? ""}`;
    const action = connectAction(page.source, page.source_channel_id);
    this.#once(page.source_channel_id, page.state === "broken" ? { code: "PAGE_BROKEN", message, action } : null, this.#context.emit);
  }

  #once(about: string, warning: { code: string; message: string; action?: string } | null, emit: Emit): void {
    const before = this.#known.get(about);
    this.#known.set(about, warning?.message ?? "");
    if (warning && warning.message !== before) emit({ type: "warning", ...warning } satisfies AiryEventBody);
  }
}
