/** `./airy` in a checkout: what it does before there is anything to run. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { describe, expect, test as base } from "vitest";
import { Checkout } from "./support/checkout.ts";
import { freeze } from "./support/freeze.ts";

const repository = path.resolve(import.meta.dirname, "..");
const root = process.getuid?.() === 0;
/** `nobody` wherever we know. */
const somebody = 65_534;

const test = base.extend<{ checkout: Checkout }>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads from the pattern which other fixtures are wanted: none
  checkout: async ({}, use) => {
    const checkout = new Checkout();
    await use(checkout);
    checkout.close();
  },
});

const ran = { code: 0, stdout: "ran version\n" };

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** A folder with these programs alone, to be the PATH. */
function onlyPrograms(checkout: Checkout, names: readonly string[]): string {
  const folder = path.join(checkout.dir, "only");
  mkdirSync(folder);
  for (const name of names) {
    const file = name === "node" ? process.execPath : execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
    symlinkSync(file, path.join(folder, name));
  }
  return folder;
}

test("installs and builds once, and again only what has changed", async ({ checkout }) => {
  expect(await checkout.run()).toMatchObject(ran);
  expect(await checkout.run()).toEqual({ ...ran, stderr: "" });
  expect(checkout.npmCalls()).toEqual([expect.stringMatching(/^ci --omit=dev /)]);
  checkout.touch("cli/main.ts");
  expect((await checkout.run()).stderr).toBe("airy: building ...\n");
  expect(checkout.npmCalls()).toHaveLength(1);
  expect(readdirSync(checkout.root).filter((name) => /lock|log$/.test(name))).toEqual(["package-lock.json"]);
});

test("the program runs where the user is, also when it had to be built first", async ({ checkout }) => {
  const program = "console.log(process.cwd())";
  const built = `import fs from "node:fs"; fs.mkdirSync("dist"); fs.writeFileSync("dist/airy.js", ${JSON.stringify(program)});`;
  checkout.write("build.mjs", `${built} fs.writeFileSync("dist/.built", "");`);
  expect((await checkout.run()).stdout).toBe("/\n");
});

test("compiles anew, once, what was compiled for another version of Node", async ({ checkout }) => {
  await checkout.run();
  checkout.write("node_modules/.airy-node", "v18\n");
  expect((await checkout.run()).stderr).toMatch(/^airy: compiling for Node v/);
  expect(await checkout.run()).toEqual({ ...ran, stderr: "" });
  expect(checkout.npmCalls().slice(1)).toEqual(["rebuild ssh2 cpu-features"]);
  expect(checkout.read("node_modules/.airy-node")).toBe(`v${process.versions.node.split(".")[0]}\n`);
});

test("runs all the same when compiling fails, and does not try at each start", async ({ checkout }) => {
  await checkout.run();
  checkout.write("node_modules/.airy-node", "v18\n");
  checkout.npmIs("exit 1");
  expect(await checkout.run()).toMatchObject(ran);
  expect(await checkout.run()).toEqual({ ...ran, stderr: "" });
});

describe.concurrent("a lock that somebody left behind is taken over:", () => {
  const started = (pid: number): string => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ")[19]!;
  const boot = process.platform === "linux" ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() : "";
  const left: [string, () => Record<string, string>][] = [
    ["killed before it wrote who it is", () => ({})],
    ["of an older airy, with a pid that lives", () => ({ pid: `${process.pid}\n` })],
    ["whose pid is somebody else's by now", () => ({ holder: `${process.pid} 1@${boot} ${os.hostname()}\n` })],
    ["from before the machine was started", () => ({ holder: `${process.pid} ${started(process.pid)}@x ${os.hostname()}\n` })],
    ["of another container", () => ({ holder: `${process.pid} ${started(process.pid)}@${boot} elsewhere\n`, beat: "7\n" })],
  ];
  for (const [name, files] of left) {
    test.skipIf(process.platform !== "linux")(name, async ({ checkout }) => {
      mkdirSync(checkout.lock);
      for (const [file, text] of Object.entries(files())) writeFileSync(path.join(checkout.lock, file), text);
      expect(await checkout.run()).toMatchObject(ran);
      expect(existsSync(checkout.lock)).toBe(false);
    });
  }

  test("and whoever waits for one that works goes on when it is done", async ({ checkout }) => {
    const done = path.join(checkout.dir, "done");
    checkout.npmIs(`until [ -e '${done}' ]; do sleep 0.1; done; mkdir -p node_modules; echo {} >node_modules/.package-lock.json`);
    const first = checkout.start();
    await until(() => checkout.npmCalls().length === 1);
    const second = checkout.start();
    await until(() => second.stderr().includes("another process is installing or building"));
    // Longer than anybody is patient with one who gives no sign.
    await new Promise((resolve) => setTimeout(resolve, 8000));
    writeFileSync(done, "");
    expect(await first.ended).toMatchObject(ran);
    expect(await second.ended).toMatchObject(ran);
    expect(checkout.npmCalls()).toHaveLength(1);
  });

  test("and one that was killed in the middle does not stop the next", async ({ checkout }) => {
    checkout.npmIs("sleep 60");
    const first = checkout.start();
    await until(() => checkout.npmCalls().length === 1);
    process.kill(-first.pid, "SIGKILL");
    await first.ended;
    checkout.npmIs("mkdir -p node_modules; echo {} >node_modules/.package-lock.json");
    expect(await checkout.run()).toMatchObject(ran);
  });
});

describe("a checkout that cannot be written to", () => {
  test.skipIf(!root)(
    "of another user: says whose it is, once it is built it runs, and later what was built before",
    async ({ checkout }) => {
      const never = await checkout.run({}, somebody);
      expect(never.code).toBe(14);
      expect(never.stderr).toMatch(/is not installed yet, and cannot be written to: .*Permission denied/);
      expect(never.stderr).toContain("it belongs to root");
      await checkout.run();
      expect(await checkout.run({}, somebody)).toEqual({ ...ran, stderr: "" });
      checkout.touch("cli/main.ts");
      const old = await checkout.run({}, somebody);
      expect(old).toMatchObject(ran);
      expect(old.stderr).toContain("what was built before is run");
      // A lock of its owner's that nobody holds any more.
      mkdirSync(checkout.lock);
      expect(await checkout.run({}, somebody)).toMatchObject(ran);
    },
  );

  test("not by anybody: the same", async ({ checkout, skip }) => {
    await checkout.run();
    checkout.touch("cli/main.ts");
    const thaw = await freeze(checkout.root);
    if (!thaw) return skip("this file system cannot close a folder to root");
    try {
      expect(await checkout.run()).toMatchObject(ran);
    } finally {
      await thaw();
    }
  });
});

test("an update that cannot be installed or built leaves what worked, and runs it", async ({ checkout }) => {
  checkout.npmIs("mkdir -p node_modules/a; echo {} >node_modules/.package-lock.json; echo first >node_modules/a/b");
  await checkout.run();
  checkout.touch("package-lock.json");
  checkout.npmIs('case $1 in ci) ;; *) exit ;; esac; rm -rf node_modules; mkdir node_modules; echo "npm error code ENOTFOUND"; exit 1');
  const offline = await checkout.run();
  expect(offline).toMatchObject(ran);
  expect(offline.stderr).toMatch(/cannot be reached \(ENOTFOUND\).*\nairy: what was built before is run\n$/s);
  expect(checkout.read("node_modules/a/b")).toBe("first\n");
  expect(existsSync(path.join(checkout.root, ".install"))).toBe(false);
  checkout.npmIs("mkdir -p node_modules; echo {} >node_modules/.package-lock.json");
  checkout.write("build.mjs", "throw new Error('of the build')");
  const broken = await checkout.run();
  expect(broken).toMatchObject(ran);
  expect(broken.stderr).toContain("of the build");
  expect(existsSync(path.join(checkout.root, "node_modules/a"))).toBe(false);
});

describe("says why it cannot run:", () => {
  test("no Node, and a Node that does not start", async ({ checkout }) => {
    const PATH = onlyPrograms(checkout, ["sh", "dirname"]);
    expect(await checkout.run({ PATH })).toMatchObject({ code: 10, stderr: expect.stringContaining("was not found on the PATH") });
    const NODE_OPTIONS = "--no-such-option-of-node";
    const { code, stderr } = await checkout.run({ NODE_OPTIONS });
    expect(code).toBe(10);
    expect(stderr).toContain("is not allowed in NODE_OPTIONS");
    expect(stderr).toContain("unset NODE_OPTIONS");
  });

  test("no npm", async ({ checkout }) => {
    const PATH = onlyPrograms(
      checkout,
      "cat cut dirname find grep head id ls mkdir mv node rm sed sh sleep tail touch tr uname".split(" "),
    );
    const { code, stderr } = await checkout.run({ PATH });
    expect(code).toBe(15);
    expect(stderr).toContain("npm was not found on the PATH");
    expect(existsSync(checkout.lock)).toBe(false);
  });

  test("what npm or the build said, when they fail", async ({ checkout }) => {
    checkout.npmIs("echo 'npm http fetch GET 200 x'; echo 'npm error code EUSAGE' >&2; exit 1");
    const npm = await checkout.run();
    expect(npm).toMatchObject({ code: 15, stderr: expect.stringContaining("'npm ci' failed") });
    expect(npm.stderr).toContain("EUSAGE");
    expect(npm.stderr).not.toContain("npm http");
    checkout.npmIs("mkdir -p node_modules; echo {} >node_modules/.package-lock.json");
    checkout.write("build.mjs", "throw new Error('of the build')");
    expect(await checkout.run()).toMatchObject({ code: 15, stderr: expect.stringContaining("of the build") });
  });

  test("files of somebody else below it", async ({ checkout }) => {
    checkout.npmIs("echo 'npm error code EACCES'; exit 1");
    expect(await checkout.run()).toMatchObject({ code: 15, stderr: expect.stringContaining(`${checkout.root}\n`) });
  });

  test("a registry that refuses, and one that never answers, in one sentence", async ({ checkout }) => {
    checkout.npmIs(`
      case $* in 'config get registry') echo http://127.0.0.1:1/; exit ;; esac
      echo 'npm http fetch GET http://127.0.0.1:1/x attempt 1 failed with ECONNREFUSED'; echo 'npm error code ECONNREFUSED'; exit 1`);
    const refused = await checkout.run();
    expect(refused.code).toBe(15);
    expect(refused.stderr).toContain("the npm registry http://127.0.0.1:1/ cannot be reached (ECONNREFUSED)");
    expect(refused.stderr.trim().split("\n")).toHaveLength(2);

    // The real npm, whose own patience is a minute.
    const sockets = new Set<net.Socket>();
    const silent = net.createServer((socket) => void sockets.add(socket.on("error", () => {})));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as net.AddressInfo;
    for (const file of ["package.json", "package-lock.json"]) copyFileSync(path.join(repository, file), path.join(checkout.root, file));
    const npm = { npm_config_registry: `http://127.0.0.1:${port}`, npm_config_cache: path.join(checkout.dir, "cache") };
    const late = await checkout.run({ ...npm, PATH: process.env["PATH"]! });
    expect(late.code).toBe(15);
    expect(late.stderr).toContain(`127.0.0.1:${port} cannot be reached (no answer within 12 s)`);
    for (const socket of sockets) socket.destroy();
    silent.close();
    expect(late.stderr.trim().split("\n")).toHaveLength(2);
  }, 60_000);
});

test("a clone with line ends of Windows starts", async ({ checkout }) => {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: checkout.dir, stdio: "ignore" });
  git("init", "-q", "from");
  for (const file of [".gitattributes", "airy", "test/run"])
    copyFileSync(path.join(repository, file), path.join(checkout.dir, "from", path.basename(file)));
  git("-C", "from", "add", ".");
  git("-C", "from", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x");
  git("-c", "core.autocrlf=true", "clone", "-q", "from", "to");
  for (const file of ["airy", "run"]) expect(readFileSync(path.join(checkout.dir, "to", file), "utf8")).not.toContain("\r");
});
