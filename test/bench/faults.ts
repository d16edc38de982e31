/**
 * Nothing acknowledged is ever lost: 10,000 numbered webhooks for each fault, from a sender that behaves like Meta.
 * `npm run bench:faults`; `-- --quick --json` in 45 seconds; words beside the flags choose faults by name.
 */
import { FULL, QUICK, faults, runFault } from "./faults-plan.ts";
import { closeStages, takeBundle } from "./faults-stage.ts";
import type { Verdict } from "./faults-judge.ts";

const words = process.argv.slice(2).filter((word) => !word.startsWith("-"));
const quick = process.argv.includes("--quick");
const json = process.argv.includes("--json");
/** The short version runs several at a time: most of a fault is waiting. */
const ATONCE = quick ? 4 : 1;
const columns = ["sent", "acknowledged", "arrived", "lost", "duplicated", "repeatedById", "resent", "outOfOrder", "longestGapMs"] as const;

const note = (line: string) => process.stderr.write(`${line}\n`);
const chosen = faults.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
const waiting = [...chosen];
const results = new Map<string, Verdict>();
let failed = false;

async function work(): Promise<void> {
  for (let fault = waiting.shift(); fault; fault = waiting.shift()) {
    if (fault.stage.diskMb !== undefined && process.getuid?.() !== 0) {
      note(`${fault.name}: left out, only root can mount a file system that is full`);
      continue;
    }
    try {
      const verdict = await runFault(bundle, fault, quick ? QUICK : FULL, note);
      results.set(fault.name, verdict);
      if (verdict.lost > (fault.mayLose ?? 0) || verdict.outOfOrder > 0 || verdict.unexplained > 0 || verdict.acknowledged < verdict.sent)
        failed = true;
      if (!json && !quick)
        process.stdout.write(
          `${line(
            fault.name,
            columns.map((column) => String(verdict[column])),
          )}\n`,
        );
    } catch (error) {
      note((error as Error).message);
      failed = true;
    }
  }
}

function line(name: string, cells: readonly string[]): string {
  return `${name.padEnd(42)}${cells.map((cell) => cell.padStart(14)).join("")}`;
}

const bundle = await takeBundle();

async function interrupt(code: number): Promise<void> {
  waiting.length = 0;
  await closeStages();
  await bundle.remove();
  process.exit(code);
}

process.once("SIGINT", () => void interrupt(130));
process.once("SIGTERM", () => void interrupt(143));
try {
  if (!json) process.stdout.write(`${line("fault", columns)}\n`);
  await Promise.all(Array.from({ length: ATONCE }, work));
  const ordered = chosen.flatMap(({ name }) => {
    const verdict = results.get(name);
    return verdict ? [{ name, verdict }] : [];
  });
  if (!json && quick)
    for (const { name, verdict } of ordered)
      process.stdout.write(
        `${line(
          name,
          columns.map((column) => String(verdict[column])),
        )}\n`,
      );
  if (json) {
    const rows = ordered.map(({ name, verdict: { sent, acknowledged, arrived, lost, duplicated, outOfOrder, longestGapMs } }) => {
      return { name, sent, acknowledged, arrived, lost, duplicated, outOfOrder, longestGapMs };
    });
    process.stdout.write(`${JSON.stringify({ faults: rows })}\n`);
  }
} finally {
  await bundle.remove();
}
if (failed) process.exitCode = 1;
