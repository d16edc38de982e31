/** Makes a customer write, through the command channel of the stand-in for Facebook. */
import { z } from "zod";
import type { HttpClient, HttpResponse } from "../../io/http.ts";
import { fail } from "../../errors.ts";
import { firstBytes, networkCode, parseJson } from "./answers.ts";

export interface TriggerMessage {
  http: HttpClient;
  /** Base of the stand-in, e.g. `http://127.0.0.1:4290`. */
  sandboxUrl: string;
  commandToken: string;
  text: string;
  /** The stand-in's usual customer when left out. */
  senderId?: string | undefined;
  signal?: AbortSignal | undefined;
}

const triggered = z.object({
  mid: z.string(),
  senderId: z.string(),
  pageId: z.string(),
  /** What the webhook answered; 0 when nothing answered. */
  status: z.number(),
  deliveries: z.array(z.object({ mid: z.string(), status: z.number(), attempts: z.number(), durationMs: z.number() })),
});

export type Triggered = z.infer<typeof triggered>;

const refused = z.object({ error: z.object({ message: z.string(), layer: z.string().nullish() }) });

/** The stand-in tries three times, 5 seconds each. */
const TIMEOUT_MS = 20_000;

/** Returns what became of the delivery, whatever the webhook answered. Throws TRIGGER_NOT_SUBSCRIBED, TRIGGER_REFUSED, SANDBOX_UNREACHABLE. */
export async function triggerMessage(trigger: TriggerMessage): Promise<Triggered> {
  const { host } = new URL(trigger.sandboxUrl);
  let response: HttpResponse;
  try {
    response = await trigger.http({
      method: "POST",
      url: `${trigger.sandboxUrl.replace(/\/+$/, "")}/sandbox/messages`,
      headers: { authorization: `Bearer ${trigger.commandToken}`, "content-type": "application/json" },
      body: JSON.stringify({ text: trigger.text, senderId: trigger.senderId }),
      timeoutMs: TIMEOUT_MS,
      signal: trigger.signal,
    });
  } catch (error) {
    trigger.signal?.throwIfAborted();
    return fail("SANDBOX_UNREACHABLE", { host, cause: networkCode(error) }, { cause: error });
  }
  const value = parseJson(response.body);
  const answer = triggered.safeParse(value);
  if (response.status === 200 && answer.success) return answer.data;
  const refusal = refused.safeParse(value);
  if (!refusal.success) {
    return fail("SANDBOX_UNREACHABLE", { host, cause: "NOT_JSON", status: response.status, received: firstBytes(response.body) });
  }
  const { message, layer } = refusal.data.error;
  if (response.status === 409) fail("TRIGGER_NOT_SUBSCRIBED", { layer: layer ?? null, message });
  return fail("TRIGGER_REFUSED", { status: response.status, message });
}
