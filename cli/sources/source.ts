/** Who sends webhooks, and how it is told where to. Each source keeps its webhook pointed at this workspace, and can give it back. */
import type { Emit, WebhookStatus } from "../events.ts";

/** Where a source is to deliver. */
export interface SourceTarget {
  /** Public URL of the platform's webhook path, e.g. `https://abcdefghij.tunnel.airy.co/facebook`. */
  callbackUrl: string;
  /** Callback URLs that this workspace registered earlier: they are ours and may be replaced without asking. */
  previousUrls: string[];
  verifyToken: string;
  /** Addresses that the callback's name must not lead to when it is checked from here. */
  refuse?: (address: string) => boolean;
}

export interface RegisterOptions {
  /** Consent to replace a webhook that is not ours. */
  replaceWebhook: boolean;
  /** The callback was reached from outside just now, and need not be again. */
  reached?: boolean;
  /** A person asked, so that also what was given back on purpose may be taken again. Default: true. */
  asked?: boolean;
}

/** What was registered before this workspace took its place. */
export interface Previous {
  object: string;
  /** null: nothing was registered. */
  callbackUrl: string | null;
  fields: string[];
  /** ISO time. */
  at: string;
}

/** What a source has borrowed: written down before it is taken, so that it can be given back. */
export interface Lease {
  /** Keeps what was found, unless the same or something more telling is known already. */
  record(previous: Previous): Promise<void>;
  previous(): Promise<Previous[]>;
  forget(object: string): Promise<void>;
  /** Whether the webhook was given back on purpose: until a person asks, it is not taken again. */
  released(): Promise<boolean>;
  release(released: boolean): Promise<void>;
}

export interface Restored {
  object: string;
  /** `restored`: the previous one is back. `removed`: there was none before, so ours was deleted. `absent`: nothing of ours was there. */
  outcome: "restored" | "removed" | "absent";
  callbackUrl: string | null;
}

export interface Repaired {
  webhooks: WebhookStatus[];
  /** One sentence for each thing that was put right. */
  repairs: string[];
}

export interface Source {
  readonly name: WebhookStatus["source"];
  /** Whether calls that can wait should. */
  readonly busy: boolean;
  /** Whether it can work at all, without a call. Throws FB_CREDENTIALS_IMPOSSIBLE, FB_GRAPH_URL_INSECURE, FB_HTTPS_REQUIRED. */
  require(callbackUrl: string): void;
  /** Proves the credentials; returns the name under which the source knows us. Changes nothing. Throws AiryError. */
  check(signal?: AbortSignal): Promise<{ account: string }>;
  /** The state at the source now. Changes nothing. Throws AiryError. */
  inspect(target: SourceTarget, signal?: AbortSignal): Promise<WebhookStatus[]>;
  /**
   * Checks the callback from outside, registers it and reads it back; repeating it is harmless. Ends with an event for each object.
   * Throws AiryError, WEBHOOK_FOREIGN before anything was changed.
   */
  register(target: SourceTarget, options: RegisterOptions, emit: Emit, signal?: AbortSignal): Promise<WebhookStatus[]>;
  /**
   * Looks, and registers again what is ours and broken (inactive, missing, fields lost, an earlier URL), with an event for each repair.
   * What somebody else registered is reported and, without consent, left alone. Throws AiryError.
   */
  repair(target: SourceTarget, options: RegisterOptions, emit: Emit, signal?: AbortSignal): Promise<Repaired>;
  /**
   * Puts back what was registered before, where the present one is still ours. A previous address is asked first whether it answers. From
   * then on {@link Source.repair} leaves it so, until a person asks.
   * @param oldToken its verify token, which the source never tells. Throws WEBHOOK_NOT_OURS, WEBHOOK_TOKEN_NEEDED, WEBHOOK_OLD_DEAD.
   */
  restore(target: SourceTarget, oldToken: string | null, signal?: AbortSignal): Promise<Restored[]>;
}
