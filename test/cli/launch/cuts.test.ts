/** The launcher killed at twenty points of its start, some of them with the agent process: the next `up` succeeds, and nothing is left. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { airy, startAiry, type Line } from "../../support/airy.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";
import { rememberPorts } from "../../support/ports.ts";

const minutes = 60_000;
const sandbox = ["up", "--sandbox", "--yes", "--engine", "embedded"];
const cuts = 20;
/** Side by side, each in a workspace of its own. */
const lanes = 2;
const opened: LeakScope[] = [];

afterEach(async () => {
  for (const scope of opened.splice(0)) {
    expect((await airy(scope, ["destroy", "--yes", "--no-backup"])).code).toBe(0);
    expect(await scope.settled()).toEqual([]);
    await scope.close();
  }
}, 2 * minutes);

async function killAgent(scope: LeakScope): Promise<void> {
  const text = await readFile(path.join(scope.workspace, ".airy/agent.json"), "utf8").catch(() => null);
  if (text === null) return;
  try {
    process.kill((JSON.parse(text) as { pid: number }).pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** The number of lines that a whole start prints. */
async function lengthOf(scope: LeakScope): Promise<number> {
  const whole = await airy(scope, sandbox);
  expect(whole.code, whole.stderr).toBe(0);
  expect((await airy(scope, ["down"])).code).toBe(0);
  return whole.lines.length;
}

test(
  `killed at ${cuts} points, up works, messages come through, and down leaves nothing`,
  async () => {
    await Promise.all(
      Array.from({ length: lanes }, async (_, lane) => {
        const scope = await openLeakScope(`cuts${lane}`);
        opened.push(scope);
        await rememberPorts(scope.workspace);
        const length = await lengthOf(scope);
        for (let cut = lane; cut < cuts; cut += lanes) {
          const after = Math.round((cut * (length - 2)) / cuts);
          const starting = startAiry(scope, sandbox);
          const seen = new Set<Line>();
          await starting.line((line) => seen.add(line).size > after).catch(() => null);
          starting.kill("SIGKILL");
          await starting.ended;
          if (cut % 3 === 0) await killAgent(scope);
          const again = await airy(scope, sandbox);
          expect(again.code, `after line ${after} of ${length}: ${again.stderr}${again.stdout}`).toBe(0);
          if (cut % 5 === 0)
            expect(await airy(scope, ["trigger", "message"])).toMatchObject({ code: 0, envelope: { data: { status: 200 } } });
          expect((await airy(scope, ["down"])).code).toBe(0);
          expect((await scope.settled()).filter((leak) => leak.startsWith("process"))).toEqual([]);
        }
      }),
    );
  },
  10 * minutes,
);
