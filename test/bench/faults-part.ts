/** A process that can be killed, stopped and started again, and a port for it that nobody takes meanwhile. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import net from "node:net";

/** Everything that was started and has not ended yet, so that an interrupted run leaves nothing behind. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A process that is started again with the same command. */
export class Part {
  readonly #name: string;
  readonly #command: readonly string[];
  readonly #env: Record<string, string>;
  readonly #ready: (child: ChildProcess) => Promise<void>;
  #child: ChildProcess | null = null;
  /** The end of what it has said. */
  tail = "";

  constructor(name: string, command: readonly string[], env: Record<string, string>, ready: (child: ChildProcess) => Promise<void>) {
    this.#name = name;
    this.#command = command;
    this.#env = env;
    this.#ready = ready;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const [command = "", ...args] = this.#command;
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...this.#env } });
    this.#child = child;
    running.add(child);
    child.once("exit", (code, signal) => {
      running.delete(child);
      this.tail += `[ended with ${code ?? signal}]\n`;
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.tail = (this.tail + chunk.toString()).slice(-4_000)));
    const early = once(child, "exit").then(() => Promise.reject(new Error(`${this.#name} ended too early:\n${this.tail}`)));
    early.catch(() => {});
    await Promise.race([this.#ready(child), early]);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  get alive(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when the process has ended by itself. */
  async ended(): Promise<void> {
    if (this.#child && this.alive) await once(this.#child, "exit");
  }

  /** Sends the signal and waits until the process is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.alive) return;
    const gone = this.ended();
    this.signal(signal);
    await gone;
  }
}

/** A port that no outgoing connection takes while its owner is down: below those the system gives out. */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000);
    const server = net.createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (free) return port;
  }
}
