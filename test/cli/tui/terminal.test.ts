import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canRender } from "../../../cli/tui/terminal.ts";
import { type Bundle, bundleProgram, loadPty, startInTerminal, type TerminalProgram } from "../../support/terminal.ts";

describe("canRender", () => {
  const tty = { isTTY: true, columns: 80, rows: 24 };
  it.each([
    ["two terminals", tty, tty, { TERM: "xterm" }, true],
    ["the smallest size", tty, { isTTY: true, columns: 40, rows: 10 }, {}, true],
    ["stdin from a pipe", {}, tty, {}, false],
    ["stdout into a pipe", tty, {}, {}, false],
    ["a dumb terminal", tty, tty, { TERM: "dumb" }, false],
    ["CI", tty, tty, { CI: "true" }, false],
    ["CI switched off", tty, tty, { CI: "false" }, true],
    ["a CI that says so in another way", tty, tty, { CI_JOB_ID: "1" }, false],
    ["a size that nobody set", tty, { isTTY: true, columns: 0, rows: 0 }, {}, false],
    ["too narrow", tty, { isTTY: true, columns: 39, rows: 24 }, {}, false],
    ["too low", tty, { isTTY: true, columns: 80, rows: 9 }, {}, false],
  ])("with %s", (_, stdin, stdout, env, expected) => {
    expect(canRender(stdin, stdout, env)).toBe(expected);
  });
});

const pty = await loadPty();

describe.skipIf(pty === null)("in a real terminal", () => {
  let bundle: Bundle;
  const running: TerminalProgram[] = [];
  beforeAll(async () => {
    bundle = await bundleProgram("test/support/dashboard-fixture.ts");
  });
  afterAll(async () => {
    for (const program of running) program.kill("SIGKILL");
    await bundle[Symbol.asyncDispose]();
  });

  async function start(
    args: string[],
    options: { columns?: number; rows?: number; env?: Record<string, string>; node?: string[] } = {},
  ): Promise<TerminalProgram> {
    const program = await startInTerminal(pty!, bundle.file, args, { columns: 80, rows: 24, ...options });
    running.push(program);
    return program;
  }

  /** The terminal is as it was: nothing wiped, cursor there, normal screen, echo on. */
  function expectRestored(program: TerminalProgram) {
    expect(program.raw()).not.toContain("\u001B[3J");
    expect(program.raw()).toContain("\u001B[?1049h");
    expect(program.cursorVisible()).toBe(true);
    expect(program.alternateScreen()).toBe(false);
    expect(program.scrollback()).toEqual(expect.arrayContaining(Array.from({ length: 40 }, (_, i) => `before ${i + 1}`)));
  }

  it("q leaves the dashboard and gives the terminal back, with the steps and the URLs in it", async () => {
    const program = await start(["busy"]);
    await program.until((screen) => screen.includes("airy · running") && screen.includes("q quit"));
    expect(program.alternateScreen()).toBe(true);
    expect(program.cursorVisible()).toBe(false);
    program.write("q");
    expect((await program.exit).exitCode).toBe(0);
    expectRestored(program);
    const text = program.scrollback().join("\n");
    expect(text).toContain("RESULT quit");
    expect(text).toContain("RAW false");
    expect(text).toContain("✔ Register the webhook done");
    expect(text).toContain("http://abcdefghij.tunnel.localhost:4280/facebook");
  });

  it.each([
    ["Ctrl-C in the dashboard quits it", "ready", "q quit", "\u0003", "RESULT quit"],
    ["Ctrl-C during the start interrupts it", "starting", "Ctrl-C stop", "\u0003", "RESULT interrupted"],
    ["Ctrl-C typed twice at once interrupts as well", "starting", "Ctrl-C stop", "\u0003\u0003", "RESULT interrupted"],
  ])("%s", async (_, scenario, shown, keys, result) => {
    const program = await start([scenario]);
    await program.until((screen) => screen.includes(shown));
    program.write(keys);
    await program.exit;
    expectRestored(program);
    expect(program.scrollback().join("\n")).toContain(result);
  });

  it("q does nothing during the start", async () => {
    const program = await start(["starting"]);
    await program.until((screen) => screen.includes("waits for postgres"));
    program.write("q");
    program.write("\u0003");
    await program.exit;
    expect(program.scrollback().join("\n")).toContain("RESULT interrupted");
  });

  it.each([
    ["a failed start leaves its steps", "failed", "RESULT failed", 0],
    ["airy down in another terminal ends it", "stopped", "RESULT stopped", 0],
    ["a stream that ends", "ended", "RESULT ended", 0],
    ["a stream that throws", "throw", "THREW the stream broke", 0],
    ["an uncaught error is readable afterwards", "crash", "uncaught on purpose", 1],
    ["process.exit from elsewhere", "exit", "before 40", 7],
  ])("%s, and the terminal is given back", async (_, scenario, shown, exitCode) => {
    const program = await start([scenario]);
    expect((await program.exit).exitCode).toBe(exitCode);
    expectRestored(program);
    expect(program.scrollback().join("\n")).toContain(shown);
  });

  it("a signal ends it through the caller's abort signal", async () => {
    const program = await start(["starting"]);
    await program.until((screen) => screen.includes("Ctrl-C stop"));
    program.kill("SIGTERM");
    await program.exit;
    expectRestored(program);
    expect(program.scrollback().join("\n")).toContain("RESULT interrupted");
  });

  it("a signal that nobody handles gives the terminal back too", async () => {
    const program = await start(["ready"]);
    await program.until((screen) => screen.includes("q quit"));
    program.kill("SIGHUP");
    await program.exit;
    expectRestored(program);
  });

  it("shows exactly one frame after a storm of resizes", async () => {
    const program = await start(["busy"]);
    await program.until((screen) => screen.includes("q quit"));
    for (let i = 0; i < 200; i++) program.resize(40 + ((i * 37) % 160), 10 + ((i * 13) % 40));
    program.resize(80, 24);
    await program.until((screen) => screen.split("airy · running").length === 2 && screen.split("q quit").length === 2);
    expect(program.screen().filter((line) => line.includes("abcdefghij.tunnel"))).toEqual([
      " http://abcdefghij.tunnel.localhost:4280/facebook",
    ]);
    program.write("q");
    await program.exit;
    expectRestored(program);
  });

  it("writes nothing while nothing changes", async () => {
    const program = await start(["ready"]);
    await program.until((screen) => screen.includes("q quit"));
    // Let the frame that is on its way settle, then watch for longer than any tick of the interface.
    await new Promise((resolve) => setTimeout(resolve, 600));
    const before = program.raw().length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(program.raw().length).toBe(before);
    program.write("q");
    await program.exit;
  });

  it("each key does what the bar says, also when several are typed at once", async () => {
    const program = await start(["busy"], { columns: 110, rows: 25 });
    const shows = (text: string) => program.until((screen) => screen.includes(text));
    await shows("q quit");
    const typed: [keys: string, shown: string][] = [
      ["c", "Sent to the clipboard"],
      ["r", "replayed r25"],
      ["jr", "replayed r24"],
      ["o", "opened the inbox"],
      ["tand\r", "wrote Hello!and"],
      ["1js", "restarted platform"],
      ["\r", "3 Logs of platform"],
      ["l/line 7\r", 'of all services with "line 7"'],
      ["\u001B", "line 59"],
      ["\u001B[H", "lines back"],
      ["\u001B[F2", "›2 Requests"],
      ["\r", "Request headers"],
      ["\u001B[B\u001B[B", "line 3 of"],
      ["\u001B[F", "ok"],
      ["\u001B?", "›Help"],
      ["?\t", "›3 Logs"],
      ["\t\t", "›2 Requests"],
      ["\u001B[200~xy\u001B[201~x", "Stop everything?"],
      ["n", "all keeps running after q"],
    ];
    for (const [keys, shown] of typed) {
      program.write(keys);
      await shows(shown).catch((error: Error) => expect.fail(`after ${JSON.stringify(keys)}: ${shown}: ${error.message}`));
    }
    program.write("xy");
    await program.exit;
    expect(program.raw()).toContain(`\u001B]52;c;${Buffer.from("http://abcdefghij.tunnel.localhost:4280/facebook").toString("base64")}`);
    expectRestored(program);
    expect(program.scrollback().join("\n")).toContain("RESULT stop");
  });

  it("a million log lines and a control sequence without an end leave 20 MB at most, and keys work meanwhile", async () => {
    const program = await start(["flood"], { columns: 120, rows: 40, node: ["--expose-gc"] });
    await program.until((screen) => screen.includes("q quit"));
    program.write("?");
    await program.until((screen) => screen.includes("Help"), 60_000);
    program.write("?");
    await program.until((screen) => screen.includes("grown by"), 120_000);
    expect(Number(/grown by (-?\d+) MB/.exec(program.screen().join("\n"))?.[1])).toBeLessThanOrEqual(20);
    program.write("q");
    await program.exit;
    expectRestored(program);
  }, 200_000);

  it("has no colour with NO_COLOR, and no glyph outside ASCII without UTF-8", async () => {
    const program = await start(["busy"], { env: { NO_COLOR: "1", LANG: "C" } });
    await program.until((screen) => screen.includes("+ open"));
    program.write("q");
    await program.exit;
    // oxlint-disable-next-line no-control-regex -- looks for escape sequences
    expect(program.raw()).not.toMatch(/\u001B\[[\d;]*m|[^\u0000-\u007f]/u);
  });

  it("has colour otherwise", async () => {
    const program = await start(["busy"]);
    await program.until((screen) => screen.includes("✔ open"));
    expect(program.raw()).toContain("\u001B[32m");
    program.write("q");
    await program.exit;
  });

  it("leaves a dumb terminal to plain lines", async () => {
    const program = await start(["busy"], { env: { TERM: "dumb" } });
    await program.exit;
    expect(program.raw()).toBe("PLAIN\r\n");
  });
});
