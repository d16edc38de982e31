/** Who sends webhooks, and how it is told where to. Facebook is the first; each source keeps its webhook pointed at this workspace. */
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
}

export interface Source {
  readonly name: WebhookStatus["source"];
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
   * Looks, and registers again what is ours and broken (inactive, missing, fields lost, an earlier URL). What somebody else
   * registered is reported and left alone. Throws AiryError.
   */
  repair(target: SourceTarget, emit: Emit, signal?: AbortSignal): Promise<{ webhooks: WebhookStatus[]; repaired: boolean }>;
}
