/** The program itself in a terminal: left, interrupted at each stage of its start, killed while nobody reads. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { airy, bundle } from "../../support/airy.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";
import { rememberPorts } from "../../support/ports.ts";
import { loadPty, startInTerminal, type TerminalProgram } from "../../support/terminal.ts";

const minutes = 60_000;
const pty = await loadPty();
const up = ["up", "--sandbox", "--engine", "embedded"];
let scope: LeakScope;

describe.skipIf(pty === null)("in a real terminal", () => {
  const running: TerminalProgram[] = [];

  beforeEach(async () => {
    scope = await openLeakScope("terminal");
    await rememberPorts(scope.workspace);
  });

  afterEach(async () => {
    for (const program of running.splice(0)) program.kill("SIGKILL");
    expect((await airy(scope, ["destroy", "--yes", "--no-backup"])).code).toBe(0);
    expect(await scope.settled()).toEqual([]);
    await scope.close();
  }, minutes);

  async function start(args: string[]): Promise<TerminalProgram> {
    const env = { TMPDIR: scope.tmp, XDG_STATE_HOME: process.env["XDG_STATE_HOME"] ?? "" };
    const program = await startInTerminal(pty!, bundle, args, { columns: 100, rows: 30, env, cwd: scope.workspace });
    running.push(program);
    return program;
  }

  function expectRestored(program: TerminalProgram): void {
    expect(program.cursorVisible()).toBe(true);
    expect(program.alternateScreen()).toBe(false);
    expect(program.raw()).not.toContain("\u001B[3J");
  }

  test(
    "Ctrl-C ends the start at each of its stages, and the terminal is as before",
    async () => {
      const stages = ["· starting", /platform, local edge.* running/, /Open the tunnel.* (running|done)/, /Register the webhook.* running/];
      for (const stage of stages) {
        const program = await start(up);
        const reached = (screen: string): boolean =>
          (typeof stage === "string" ? screen.includes(stage) : stage.test(screen)) || screen.includes("q quit");
        await program.until(reached, minutes);
        program.write("\u0003");
        const { exitCode } = await program.exit;
        expectRestored(program);
        // The last stages may be over before they are seen; then it is the dashboard that was left.
        if (exitCode !== 0) expect(exitCode, program.scrollback().join("\n")).toBe(130);
        if (exitCode !== 0) expect((await scope.leaks()).filter((leak) => leak.startsWith("process"))).toEqual([]);
        await airy(scope, ["down"]);
      }
    },
    4 * minutes,
  );

  test(
    "--detach-when-ready gives the prompt back; another terminal attaches, and ends at SIGTERM though its terminal reads no more",
    async () => {
      const starting = await start([...up, "--detach-when-ready"]);
      expect((await starting.exit).exitCode, starting.scrollback().join("\n")).toBe(0);
      expectRestored(starting);
      expect(starting.scrollback().join("\n")).toMatch(/Public URL +http[\s\S]*airy attach/);
      expect(await airy(scope, ["status"])).toMatchObject({ code: 0 });

      const attached = await start(["attach"]);
      await attached.until((screen) => screen.includes("q quit"), minutes);
      attached.stopReading();
      // Each is a whole frame; together they are more than the terminal holds.
      for (let i = 0; i < 100; i++) {
        attached.resize(150 + (i % 2), 50);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      attached.kill("SIGTERM");
      const { exitCode } = await attached.exit;
      expect(exitCode).toBe(143);
      expect(await airy(scope, ["status"])).toMatchObject({ code: 0 });
    },
    3 * minutes,
  );
});
