/** What the dashboard can do beside showing. Whoever runs it hands these over; a key without one is not offered. */
import type { LogLine } from "./log-buffer.ts";

export interface RequestDetail {
  requestHeaders: readonly (readonly [name: string, value: string])[];
  responseHeaders: readonly (readonly [name: string, value: string])[];
  /** As text; null where it was not kept. */
  requestBody: string | null;
  responseBody: string | null;
}

/** What they resolve with, or the message of what they reject with, is said to the user. */
export interface Deck {
  /** The log lines of all services, the last ones first and then as they come, until the signal. */
  logs?: (signal: AbortSignal) => AsyncIterable<LogLine>;
  open?: () => Promise<string>;
  /** Writes as a customer. */
  trigger?: (text: string) => Promise<string>;
  /** Sends the request again, to the local service. */
  replay?: (id: string) => Promise<string>;
  restart?: (service: string) => Promise<string>;
  /** null: not kept any more. */
  request?: (id: string) => Promise<RequestDetail | null>;
}
