/** `airy service`: what service managers are told, and the process that they keep. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { launchdPlist, systemdUnit } from "../../../cli/commands/service-unit.ts";
import { bundle } from "../../support/airy.ts";
import { openLeakScope } from "../../support/leaks.ts";

const spec = {
  name: "0123abcd",
  workspace: '/home/me/50% "off" & more',
  program: "/opt/$airy/airy",
  sandbox: true,
  env: { PATH: "/usr/bin:/a b", X: "<&>" },
};

test("systemd takes the unit, with any folder name", (ctx) => {
  const unit = systemdUnit(spec);
  expect(unit).toContain(String.raw`ExecStart="/opt/$$airy/airy" service run --sandbox --workspace "/home/me/50%% \"off\" & more"`);
  if (spawnSync("systemd-analyze", ["--version"]).status !== 0) return ctx.skip("systemd-analyze is not here");
  const dir = mkdtempSync(path.join(tmpdir(), "airy-unit-"));
  const file = path.join(dir, "airy-0123abcd.service");
  writeFileSync(file, systemdUnit({ ...spec, program: "/bin/true" }));
  const { stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" });
  rmSync(dir, { recursive: true });
  expect(stderr.split("\n").filter((line) => line.includes("airy-0123abcd"))).toEqual([]);
});

test("the property list is well-formed XML with the same in it", () => {
  const plist = launchdPlist(spec);
  const read = "import plistlib,sys,json; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
  expect(JSON.parse(execFileSync("python3", ["-c", read], { input: plist, encoding: "utf8" }))).toMatchObject({
    Label: "co.airy.0123abcd",
    ProgramArguments: ["/opt/$airy/airy", "service", "run", "--sandbox", "--workspace", spec.workspace],
    EnvironmentVariables: spec.env,
    KeepAlive: { SuccessfulExit: false },
  });
});

test("run: fails when the background process was killed, brings it back, and takes everything down when it is told to end", async () => {
  const scope = await openLeakScope("service");
  const start = () => {
    const child = spawn(process.execPath, [bundle, "service", "run", "--sandbox"], {
      cwd: scope.workspace,
      env: { ...process.env, TMPDIR: scope.tmp, AIRY_ENGINE: "embedded" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    const ready = new Promise<void>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          said += chunk.toString();
          if (said.includes("stop: airy down")) resolve();
        });
      }
    });
    const ended = once(child, "close").then(([code]) => ({ code: code as number | null, said }));
    return { child, ready: Promise.race([ready, ended.then(({ said }) => Promise.reject(new Error(said)))]), ended };
  };
  const pidOf = (): number => (JSON.parse(readFileSync(path.join(scope.workspace, ".airy/agent.json"), "utf8")) as { pid: number }).pid;
  try {
    const first = start();
    await first.ready;
    first.ended.catch(() => {});
    process.kill(pidOf(), "SIGKILL");
    expect((await first.ended).code).toBe(13);
    const second = start();
    await second.ready;
    second.child.kill("SIGTERM");
    const { code, said } = await second.ended;
    expect(said).toContain("Stopped.");
    expect(code).toBe(0);
    expect(await scope.settled()).toEqual([]);
  } finally {
    spawnSync(process.execPath, [bundle, "down"], { cwd: scope.workspace });
    await scope.close();
  }
}, 300_000);
