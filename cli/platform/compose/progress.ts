/**
 * What `docker compose --progress json` says while it works, one object a line on stderr, in its two dialects: up to 2.40
 * `{"id":"Container p-web-1","status":"Creating"}`, from 5.0 on `{"id":"Container p-web-1","status":"Working","text":"Creating"}`; both end
 * with `{"error":true,"message":"..."}` when it failed. docker/compose, cmd/display/json.go.
 */
import { z } from "zod";

/** The first version that has it. */
const since = [2, 29] as const;

export interface Progress {
  /** `Container airy-0123-postgres-1`, `Network airy-0123_default`, an image's layer. */
  id: string;
  /** What it does, in compose's words: `Creating`, `Started`. */
  text: string;
  state: "working" | "done" | "warning" | "error";
}

const lineSchema = z.object({
  error: z.boolean().optional(),
  message: z.string().optional(),
  id: z.string().optional(),
  status: z.string().optional(),
  text: z.string().optional(),
});

export function speaksJson(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10) || 0);
  return major > since[0] || (major === since[0] && minor >= since[1]);
}

/** null: no line of progress, but something for people. */
export function parseProgress(line: string): Progress | { failure: string } | null {
  if (!line.startsWith("{")) return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const { data } = lineSchema.safeParse(value);
  if (!data) return null;
  if (data.error) return { failure: data.message ?? "" };
  const { id, status = "", text = "" } = data;
  if (id === undefined) return null;
  const state = /^(working|done|warning|error)$/i.test(status) ? (status.toLowerCase() as Progress["state"]) : null;
  return state === null ? { id, text: status || text, state: stateOf(status || text) } : { id, text, state };
}

/** Of the older dialect, which says only what it does. */
function stateOf(text: string): Progress["state"] {
  if (/error|failed/i.test(text)) return "error";
  if (/warning/i.test(text)) return "warning";
  return /(ed|Running|Healthy)$/.test(text) ? "done" : "working";
}

/** What there is to say of all containers together; null while nothing has changed. */
export function createTally(): (progress: Progress) => string | null {
  const texts = new Map<string, string>();
  let said = "";
  return ({ id, text }) => {
    if (!id.startsWith("Container ")) return null;
    texts.set(id, text);
    const up = [...texts.values()].filter((each) => /^(Started|Running|Healthy|Waiting|Exited)$/.test(each)).length;
    const now = up === 0 ? "compose makes the containers" : `${up} of ${texts.size} containers started`;
    if (now === said) return null;
    said = now;
    return now;
  };
}

/** Why it failed, in compose's words; without its JSON. */
export function failureOf(stderr: string): string {
  let last = "";
  for (const line of stderr.split("\n").filter((each) => each.trim() !== "")) {
    const parsed = parseProgress(line);
    if (parsed === null) last = line.trim();
    else if ("failure" in parsed) return parsed.failure;
  }
  return last;
}
