/** Pages that are connected to the platform, which keeps their tokens and subscribes them to the app. */
import { z } from "zod";
import type { HttpClient } from "../../io/http.ts";
import { inertLine, parseJson } from "./answers.ts";

const pages = z.object({
  data: z.array(
    z.object({
      source: z.string(),
      source_channel_id: z.string(),
      name: z.string().transform(inertLine),
      state: z.enum(["ok", "repaired", "broken", "unknown"]),
      message: z
        .string()
        .nullable()
        .transform((text) => text && inertLine(text)),
    }),
  ),
});

export type CheckedPage = z.output<typeof pages>["data"][number];

/** One call to Facebook for each page. */
const TIMEOUT_MS = 60_000;

/**
 * Lets the platform look whether each connected page is still subscribed to the app, and mend what is not. null: it cannot say at present.
 * Rejects with an AbortError alone.
 */
export async function checkPages(
  http: HttpClient,
  { platformUrl, apiToken }: { platformUrl: string; apiToken?: string | undefined },
  signal?: AbortSignal,
): Promise<CheckedPage[] | null> {
  try {
    const { status, body } = await http({
      method: "POST",
      url: `${platformUrl}/channels.facebook.check`,
      headers: { "content-type": "application/json", accept: "application/json", ...(apiToken && { authorization: `Bearer ${apiToken}` }) },
      body: "{}",
      timeoutMs: TIMEOUT_MS,
      ...(signal && { signal }),
    });
    const answer = status === 200 ? pages.safeParse(parseJson(body)) : null;
    return answer?.success ? answer.data.data : null;
  } catch {
    signal?.throwIfAborted();
    return null;
  }
}
