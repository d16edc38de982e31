/** `airy edge` and `airy proxy` as processes of their own, from the bundle. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { bundle } from "./airy.ts";

export interface RunningCommand {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves with the first line of stdout that fits; rejects when the process ends without one. */
  line(fits: (line: string) => boolean): Promise<string>;
  exited: Promise<number | null>;
  /** Resident memory now and at most so far, bytes (Linux). */
  memory(): Promise<{ now: number; peak: number }>;
  kill(signal?: NodeJS.Signals): Promise<number | null>;
}

export function run(args: string[], env: Record<string, string> = {}, cwd?: string): RunningCommand {
  const child = spawn(process.execPath, [bundle, ...args], { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let over = false;
  const wake = () => {
    for (const look of waiting) look();
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    stdout += `${line}\n`;
    lines.push(line);
    wake();
  });
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = new Promise<number | null>((resolve) =>
    child.on("close", (code) => {
      over = true;
      resolve(code);
      wake();
    }),
  );
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    line: (fits) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find(fits);
          if (found !== undefined) resolve(found);
          else if (over) reject(new Error(`ended without the line: ${stdout}${stderr}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    memory: async () => {
      const text = await readFile(`/proc/${child.pid}/status`, "utf8");
      const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)?.[1]) * 1024;
      return { now: of("VmRSS"), peak: of("VmHWM") };
    },
    kill: async (signal = "SIGTERM") => {
      child.kill(signal);
      return exited;
    },
  };
}

export interface EdgeProcess extends RunningCommand {
  sshPort: number;
  httpPort: number;
  adminPort: number;
  hostKey: string;
}

export async function runEdge(dir: string, domain = "tunnel.localhost"): Promise<EdgeProcess> {
  const any = "127.0.0.1:0";
  const command = run(["edge", "--json", "--domain", domain, "--ssh", any, "--http", any, "--admin", any, "--data", dir]);
  const line = await command.line((text) => text.includes('"listening"'));
  return { ...command, ...(JSON.parse(line) as Pick<EdgeProcess, "sshPort" | "httpPort" | "adminPort" | "hostKey">) };
}
