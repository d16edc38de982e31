/** Getting an image from its registry, with what has come so far. */
import type { Readable } from "node:stream";
import { z } from "zod";
import { messageOf, type Engine } from "../../docker/engine.ts";
import { fail } from "../../errors.ts";
import { run } from "../../io/spawn.ts";
import { lastLine, REFUSED } from "./image.ts";

/** A download that stands still for so long is given up. */
const STALLED_MS = 60_000;
/** At most one a second is told. */
const RATE_SAMPLES = 6;

const progressSchema = z.object({
  id: z.string().optional(),
  status: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).nullish(),
  error: z.string().optional(),
});

/** `onProgress` is called with what has come so far, at most once a second. Throws IMAGE_PULL_FAILED. */
export async function pull(engine: Engine, image: string, signal: AbortSignal, onProgress: (text: string) => void): Promise<void> {
  const refused = await pullThrough(engine, image, signal, onProgress);
  signal.throwIfAborted();
  if (refused === null) return;
  if (!REFUSED.test(refused)) fail("IMAGE_PULL_FAILED", { image, reason: refused });
  // The engine has no logins; the docker client and its credential helpers do.
  const result = await run("docker", ["pull", image], { signal, onLine: (line) => onProgress(line.trim()) });
  signal.throwIfAborted();
  if (result.exitCode !== 0) fail("IMAGE_PULL_FAILED", { image, reason: lastLine(result.stderr) || refused });
}

/** Returns why it did not work, null when it did. */
async function pullThrough(engine: Engine, image: string, signal: AbortSignal, onProgress: (text: string) => void): Promise<string | null> {
  // Without a tag the engine would pull them all.
  const reference = /[:@][^/]*$/.test(image) ? image : `${image}:latest`;
  let stream: Readable | null;
  try {
    stream = (await engine.ask((docker) => docker.pull(reference), { timeoutMs: STALLED_MS })) as Readable | null;
  } catch (error) {
    return messageOf(error);
  }
  if (!stream) return `there is no image ${image}`;
  const body = stream;
  let stalled = false;
  const stop = (): void => void body.destroy();
  const watchdog = setTimeout(() => {
    stalled = true;
    stop();
  }, STALLED_MS);
  signal.addEventListener("abort", stop);
  const tell = createProgress(onProgress);
  try {
    let rest = "";
    for await (const chunk of body) {
      watchdog.refresh();
      const lines = `${rest}${String(chunk)}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.trim() === "") continue;
        const step = progressSchema.parse(JSON.parse(line));
        if (step.error !== undefined) return step.error;
        tell(step);
      }
    }
    return null;
  } catch (error) {
    return stalled ? `Nothing came from the registry for ${STALLED_MS / 1000} s.` : messageOf(error);
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** Layers arrive side by side, each with its own count; what is told is their sum. */
function createProgress(onProgress: (text: string) => void): (step: z.output<typeof progressSchema>) => void {
  const layers = new Map<string, { current: number; total: number }>();
  const rateOf = createRate();
  let toldAt = 0;
  return ({ id, status, progressDetail }) => {
    if (id !== undefined && status === "Downloading" && progressDetail?.total !== undefined) {
      layers.set(id, { current: progressDetail.current ?? 0, total: progressDetail.total });
    }
    const layer = id === undefined ? undefined : layers.get(id);
    if (layer && /^(Download|Pull) complete$/.test(status ?? "")) layer.current = layer.total;
    if (layers.size === 0 || Date.now() - toldAt < 1000) return;
    toldAt = Date.now();
    const sum = (of: "current" | "total"): number => [...layers.values()].reduce((all, one) => all + one[of], 0);
    const rate = rateOf(sum("current"));
    onProgress(`${megabytes(sum("current"))} of ${megabytes(sum("total"))} MB${rate === null ? "" : `, ${megabytes(rate)} MB/s`}`);
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}

/** Bytes a second over the last few seconds; null before there is something to compare with. */
function createRate(): (bytes: number) => number | null {
  const seen: { at: number; bytes: number }[] = [];
  return (bytes) => {
    const at = performance.now();
    seen.push({ at, bytes });
    if (seen.length > RATE_SAMPLES) seen.shift();
    const [first] = seen;
    if (!first || first.at === at) return null;
    return Math.max(0, ((bytes - first.bytes) * 1000) / (at - first.at));
  };
}
