/** What the stand-in knows, in memory and (with a data folder) in one file that is replaced as a whole. */
import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import path from "node:path";
import { Clock } from "./clock.ts";
import type { FacebookSandboxConfig } from "./config.ts";
import type {
  Account,
  Alert,
  App,
  Customer,
  Message,
  Page,
  Pending,
  Reply,
  Saved,
  StoredAttachment,
  StoredFile,
  Token,
  WhatsAppAccount,
} from "./model.ts";
import { newId, newTokenText, savedSchema } from "./model.ts";
import { createCustomer, firstCustomers } from "./people.ts";
import { type Settings, defaultSettings, readSettingsPatch } from "./settings.ts";
import { allScopes } from "./scopes.ts";

const FILE = "facebook.json";

/** What one stand-in keeps; the oldest goes first. */
const KEPT = { customers: 2_000, messages: 500, allMessages: 20_000, replies: 10_000, alerts: 100, tokens: 1_000, attachments: 1_000 };

export class Store {
  apps = new Map<string, App>();
  pages = new Map<string, Page>();
  whatsapp = new Map<string, WhatsAppAccount>();
  accounts = new Map<string, Account>();
  tokens = new Map<string, Token>();
  customers = new Map<string, Customer>();
  pending = new Map<string, Pending>();
  attachments = new Map<string, StoredAttachment>();
  files = new Map<string, StoredFile>();
  alerts: Alert[] = [];
  /** What the page sent, as a flat list: the last ones, oldest first. */
  replies: Reply[] = [];
  settings: Settings = defaultSettings();
  clock = new Clock();

  readonly #file: string | null;
  readonly #log: (line: string) => void;
  #messages = 0;
  #dirty = false;
  #writing: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #pauseMs = 200;

  /** Reads what an earlier run left; what cannot be read is set aside and said. */
  constructor(config: FacebookSandboxConfig) {
    this.#log = config.log;
    this.#file = config.dataDir ? path.join(config.dataDir, FILE) : null;
    if (config.dataDir) mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
    const saved = this.#read();
    if (saved) this.#restore(saved);
    this.#furnish(config);
    Object.assign(this.settings, config.settings);
    this.clock.setRate(config.speed ?? 1);
  }

  /** Remembers that something changed; it is written soon. */
  changed(): void {
    if (this.#file === null) return;
    this.#dirty = true;
    this.#timer ??= setTimeout(() => void this.saved().catch(() => {}), this.#pauseMs);
  }

  /** Resolves when all that changed until now is in the file. Rejects when it cannot be written. */
  async saved(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#dirty || this.#writing) {
      if (this.#writing) await this.#writing;
      else this.#writing = this.#write().finally(() => (this.#writing = null));
    }
  }

  remember(customer: Customer, message: Message): void {
    customer.messages.push(message);
    this.#messages += 1;
    if (customer.messages.length > KEPT.messages) {
      customer.messages.shift();
      this.#messages -= 1;
    }
    while (this.#messages > KEPT.allMessages) this.#forgetOldest();
    this.changed();
  }

  addCustomer(customer: Customer): Customer {
    this.customers.set(customer.id, customer);
    if (this.customers.size > KEPT.customers) {
      const silent = [...this.customers.values()].reduce((a, b) => (b.wroteAt < a.wroteAt && b !== customer ? b : a));
      this.#messages -= silent.messages.length;
      this.customers.delete(silent.id);
    }
    this.changed();
    return customer;
  }

  addReply(reply: Reply): void {
    keep(this.replies, reply, KEPT.replies);
    this.changed();
  }

  addAlert(alert: Alert): void {
    keep(this.alerts, alert, KEPT.alerts);
    this.#log(`alert: ${alert.text}`);
    this.changed();
  }

  addToken(token: Token): Token {
    this.tokens.set(token.token, token);
    // Those that were there first are the owner's and the configured page's.
    if (this.tokens.size > KEPT.tokens) this.tokens.delete([...this.tokens.keys()][2] ?? token.token);
    this.changed();
    return token;
  }

  addAttachment(attachment: StoredAttachment): void {
    this.attachments.set(attachment.id, attachment);
    keepMap(this.attachments, KEPT.attachments);
    this.changed();
  }

  findMessage(mid: string): { customer: Customer; message: Message } | null {
    for (const customer of this.customers.values()) {
      const message = customer.messages.findLast((each) => each.mid === mid);
      if (message) return { customer, message };
    }
    return null;
  }

  #forgetOldest(): void {
    const longest = [...this.customers.values()].reduce((a, b) => (b.messages.length > a.messages.length ? b : a));
    longest.messages.shift();
    this.#messages -= 1;
  }

  #read(): Saved | null {
    if (this.#file === null) return null;
    let text: string;
    try {
      text = readFileSync(this.#file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
    try {
      return savedSchema.parse(JSON.parse(text));
    } catch {
      const aside = `${this.#file}.unreadable`;
      renameSync(this.#file, aside);
      this.#log(`${this.#file} cannot be read and was set aside as ${aside}; starting with nothing`);
      return null;
    }
  }

  #restore(saved: Saved): void {
    const byId = <T extends { id: string }>(list: T[]) => new Map(list.map((item) => [item.id, item]));
    this.apps = byId(saved.apps);
    this.pages = byId(saved.pages);
    this.whatsapp = byId(saved.whatsapp);
    this.accounts = byId(saved.accounts);
    this.tokens = new Map(saved.tokens.map((token) => [token.token, token]));
    this.customers = byId(saved.customers);
    this.pending = byId(saved.pending);
    this.attachments = byId(saved.attachments);
    this.files = byId(saved.files);
    this.alerts = saved.alerts;
    this.replies = saved.replies;
    this.clock = new Clock(Math.max(0, saved.ahead));
    this.#messages = saved.customers.reduce((sum, { messages }) => sum + messages.length, 0);
    const read = readSettingsPatch(saved.settings);
    if ("patch" in read) Object.assign(this.settings, read.patch);
    else this.#log(`stored settings do not fit this version and were left out: ${read.reason}`);
  }

  /** App and page of the configuration are always there, under the names and secrets that it says now. */
  #furnish({ app, page }: FacebookSandboxConfig): void {
    const known = this.apps.get(app.id);
    this.apps.set(app.id, { requireProof: false, mode: "live", subscriptions: [], instagramAppId: null, ...known, ...app });
    const first = !this.pages.has(page.id);
    const knownPage = this.pages.get(page.id) ?? createPage(page.id, page.name);
    this.pages.set(page.id, { ...knownPage, name: page.name });
    if (this.accounts.size === 0) this.accounts.set("100000000000001", { id: "100000000000001", name: "Page Owner", pages: [] });
    const owner = [...this.accounts.values()][0];
    if (owner && !owner.pages.includes(page.id)) owner.pages.push(page.id);
    const lasting = { scopes: [...allScopes], issuedAt: this.clock.now(), expiresAt: 0, broken: null, accountId: owner?.id ?? null };
    if (!this.tokens.has(page.token)) this.addToken({ token: page.token, type: "page", appId: app.id, pageId: page.id, ...lasting });
    if (![...this.tokens.values()].some(({ type }) => type === "user")) {
      this.addToken({ token: newTokenText(), type: "user", appId: app.id, pageId: null, ...lasting });
    }
    if (this.whatsapp.size === 0) {
      const phone = { id: newId(15), display: "+1 555 010 0001", name: page.name, override: null };
      const id = newId(15);
      this.whatsapp.set(id, { id, name: `${page.name} (WhatsApp)`, installed: [], phones: [phone] });
    }
    if (first) {
      for (const [id, given, family, channel] of firstCustomers) {
        if (!this.customers.has(id)) this.addCustomer(createCustomer({ id, pageId: page.id, channel, name: `${given} ${family}` }));
      }
    }
    this.changed();
  }

  #snapshot(): Saved {
    return {
      version: 1,
      ahead: this.clock.ahead,
      settings: this.settings,
      apps: [...this.apps.values()],
      pages: [...this.pages.values()],
      whatsapp: [...this.whatsapp.values()],
      accounts: [...this.accounts.values()],
      tokens: [...this.tokens.values()],
      customers: [...this.customers.values()],
      pending: [...this.pending.values()],
      attachments: [...this.attachments.values()],
      files: [...this.files.values()],
      alerts: this.alerts,
      replies: this.replies.slice(-1_000),
    };
  }

  async #write(): Promise<void> {
    const file = this.#file;
    this.#dirty = false;
    if (file === null) return;
    const started = performance.now();
    const draft = `${file}.draft`;
    try {
      const handle = await open(draft, "w", 0o600);
      try {
        await handle.writeFile(JSON.stringify(this.#snapshot()));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(draft, file);
    } catch (error) {
      this.#log(`${file} cannot be written: ${error instanceof Error ? error.message : "unknown"}`);
      throw error;
    }
    // What takes long is done less often, so that writing never takes more than a small part of the time.
    this.#pauseMs = Math.max(200, (performance.now() - started) * 20);
  }
}

export function createPage(id: string, name: string): Page {
  const username = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, ".");
  return {
    id,
    name,
    category: "Shopping & retail",
    instagram: { id: `178${id.padStart(14, "0").slice(-14)}`, username, name },
    installed: [],
    profile: {},
    personas: [],
    labels: [],
    primaryAppId: null,
  };
}

function keep<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) list.shift();
}

/** A map knows the order in which its keys came. */
function keepMap(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
