/** Talks to the command channel. The token came in the fragment of the address and stays in this tab. */
import type { Act, Conversation, People } from "./shapes.ts";

const KEY = "airy-chat-token";

/** Takes the token out of the address, so that it is in no screenshot, history or copied link. */
export function takeToken(): string | null {
  const given = new URLSearchParams(window.location.hash.slice(1)).get("token");
  if (given !== null) {
    sessionStorage.setItem(KEY, given);
    window.history.replaceState(null, "", window.location.pathname);
  }
  return given ?? sessionStorage.getItem(KEY);
}

/** What the stand-in refused, in its words. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class Api {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  people(): Promise<People> {
    return this.#ask("GET", "/sandbox/people");
  }

  conversation(id: string): Promise<Conversation> {
    return this.#ask("GET", `/sandbox/conversations/${encodeURIComponent(id)}`);
  }

  act(from: string, what: Act): Promise<unknown> {
    return this.#ask("POST", "/sandbox/events", { from, ...what });
  }

  addCustomer(name: string, channel: string): Promise<{ id: string }> {
    return this.#ask("POST", "/sandbox/customers", { name, channel });
  }

  async upload(file: File): Promise<{ url: string; type: string }> {
    const form = new FormData();
    form.append("filedata", file);
    return this.#read(await fetch("/sandbox/files", { method: "POST", headers: this.#headers(), body: form }));
  }

  /** Calls back for every change, and with null when the connection is lost; comes back by itself until aborted. */
  async watch(onChange: (change: { type: string; customerId?: string } | null) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#listen(onChange, signal).catch(() => {});
      if (signal.aborted) return;
      onChange(null);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }

  async #listen(onChange: (change: { type: string; customerId?: string }) => void, signal: AbortSignal): Promise<void> {
    const response = await fetch("/sandbox/stream", { headers: this.#headers(), signal });
    if (!response.ok || !response.body) throw new Refused(response.status, "no stream");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    onChange({ type: "people" });
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onChange(JSON.parse(line) as { type: string; customerId?: string });
    }
  }

  #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#token}` };
  }

  async #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers = { ...this.#headers(), ...(body === undefined ? {} : { "content-type": "application/json" }) };
    return this.#read(await fetch(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }));
  }

  async #read<T>(response: Response): Promise<T> {
    const value = (await response.json()) as T & { error?: { message?: string } };
    if (!response.ok) throw new Refused(response.status, value.error?.message ?? `status ${response.status}`);
    return value;
  }
}
