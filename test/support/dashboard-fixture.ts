/**
 * A program around `runDashboard` for tests in a real terminal, and for looking at: it plays a scripted start instead of running one.
 * Usage: dashboard-fixture <scenario> <mode> [pace in ms between events]
 */
import { runDashboard } from "../../cli/tui/app.tsx";
import type { Deck } from "../../cli/tui/deck.ts";
import { canRender } from "../../cli/tui/terminal.ts";
import { type Scenario, scenario } from "./dashboard-events.ts";

const [name = "ready", mode = "start", pace = "0"] = process.argv.slice(2);
const script = scenario(name as Scenario);

async function* play() {
  for (const event of script.events) {
    if (Number(pace) > 0) await new Promise((resolve) => setTimeout(resolve, Number(pace)));
    yield { ...event, at: new Date().toISOString() };
  }
  if (script.end === "throw") throw new Error("the stream broke");
  if (script.end === "crash") setTimeout(() => Promise.reject(new Error("uncaught on purpose")), 50);
  if (script.end === "exit") setTimeout(() => process.exit(7), 50);
  if (script.end !== "return") await new Promise(() => setInterval(() => {}, 60_000).unref());
}

/** What would be done, as words; the logs of a service that dies after its first lines. */
const deck: Deck = {
  async *logs() {
    for (let i = 0; i < 60; i++) yield { service: i % 2 ? "platform" : "postgres", at: new Date().toISOString(), line: `line ${i}` };
    if (name === "flood") yield* flood();
    await new Promise(() => {});
  },
  open: async () => "opened the inbox",
  trigger: async (text) => `wrote ${text}`,
  replay: async (id) => `replayed ${id}`,
  restart: async (service) => `restarted ${service}`,
  request: async (id) => ({
    requestHeaders: [["content-type", "application/json"]],
    requestBody: JSON.stringify({ object: "page", id }),
    responseHeaders: [],
    responseBody: "ok",
  }),
};

/** A million lines and a control sequence that never ends, and by how much the process has grown after them. */
async function* flood() {
  const line = (text: string) => ({ service: "platform", at: null, line: text });
  const rss = async () => {
    for (let i = 0; i < 4; i++) await new Promise((resolve) => setTimeout(resolve, 100)).then(() => globalThis.gc?.());
    return process.memoryUsage().rss;
  };
  for (let i = 0; i < 50_000; i++) yield line(`warm ${i} ${"y".repeat(200)}`);
  const before = await rss();
  for (let i = 0; i < 1_000_000; i++) {
    yield line(`line ${i} ${"x".repeat(i % 200)}`);
    // Frames and keys have their turn.
    if (i % 10_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  yield line(`\u001B]0;${"z".repeat(100_000_000)}`);
  yield line(`grown by ${Math.round(((await rss()) - before) / 1_000_000)} MB`);
}

if (!canRender(process.stdin, process.stdout, process.env)) {
  process.stdout.write("PLAIN\n");
  process.exit(0);
}
process.stdout.write(`${Array.from({ length: 40 }, (_, i) => `before ${i + 1}`).join("\n")}\n`);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop.abort());
try {
  const result = await runDashboard({
    events: play(),
    mode: mode === "attached" ? "attached" : "start",
    deck,
    stdin: process.stdin,
    stdout: process.stdout,
    env: process.env,
    signal: stop.signal,
  });
  process.stdout.write(`RESULT ${result}\n`);
} catch (error) {
  process.stdout.write(`THREW ${error instanceof Error ? error.message : "?"}\n`);
}
process.stdout.write(`RAW ${String(process.stdin.isRaw)}\n`);
