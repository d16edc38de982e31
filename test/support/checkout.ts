/** A checkout in a folder of its own whose `./airy` is ours, and whose npm, sources and build are small stand-ins. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const script = path.resolve(import.meta.dirname, "../../airy");

export interface CheckoutRun {
  pid: number;
  stderr(): string;
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

export class Checkout {
  readonly dir = mkdtempSync(path.join(os.tmpdir(), "airy-checkout-"));
  readonly root = path.join(this.dir, "airy");
  readonly lock = path.join(this.root, ".build.lock");
  readonly #children: ChildProcess[] = [];

  constructor() {
    chmodSync(this.dir, 0o755);
    for (const folder of ["cli", "edge", "compose"]) mkdirSync(path.join(this.root, folder), { recursive: true });
    copyFileSync(script, path.join(this.root, "airy"));
    this.write("cli/main.ts", "");
    this.write("package-lock.json", "{}");
    this.write(
      "build.mjs",
      `import { mkdirSync, writeFileSync } from "node:fs";
      mkdirSync("dist", { recursive: true });
      writeFileSync("dist/airy.js", "console.log('ran', ...process.argv.slice(2))");
      writeFileSync("dist/.built", "");`,
    );
    mkdirSync(path.join(this.dir, "bin"));
    this.npmIs("mkdir -p node_modules; echo {} >node_modules/.package-lock.json");
  }

  write(file: string, text: string): void {
    writeFileSync(path.join(this.root, file), text);
  }

  read(file: string): string {
    return readFileSync(path.join(this.root, file), "utf8");
  }

  /** Makes a source newer than everything that was built from it. */
  touch(file: string): void {
    const soon = Date.now() / 1000 + 5;
    utimesSync(path.join(this.root, file), soon, soon);
  }

  /** npm's stand-in notes what it was asked for, and does this. */
  npmIs(text: string): void {
    const file = path.join(this.dir, "bin/npm");
    writeFileSync(file, `#!/bin/sh\necho "$*" >>'${path.join(this.dir, "npm.log")}'\n${text}\n`);
    chmodSync(file, 0o755);
  }

  npmCalls(): string[] {
    const file = path.join(this.dir, "npm.log");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  }

  /** Starts `./airy version` from another folder, npm's stand-in first on the PATH. */
  start(env: Record<string, string> = {}, uid?: number): CheckoutRun {
    const PATH = `${path.join(this.dir, "bin")}:${process.env["PATH"]}`;
    const child = spawn(path.join(this.root, "airy"), ["version"], {
      cwd: "/",
      env: { ...process.env, PATH, ...env },
      ...(uid === undefined ? {} : { uid }),
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#children.push(child);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
    return { pid: child.pid!, stderr: () => stderr, ended };
  }

  run(env: Record<string, string> = {}, uid?: number): CheckoutRun["ended"] {
    return this.start(env, uid).ended;
  }

  close(): void {
    for (const { pid } of this.#children) {
      try {
        process.kill(-pid!, "SIGKILL"); // with whatever it started
      } catch {
        // It has ended.
      }
    }
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}
