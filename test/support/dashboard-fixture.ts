/**
 * A program around `runDashboard` for tests in a real terminal, and for looking at: it plays a scripted start instead of running one.
 * Usage: dashboard-fixture <scenario> <mode> [pace in ms between events]
 */
import { runDashboard } from "../../cli/tui/app.tsx";
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
    publicPaths: ["/facebook"],
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
