/** Ports for a workspace of a test, so that tests that run at the same time do not compete for the defaults. */
import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { isFree } from "../../cli/checks/ports.ts";
import { workspacePaths } from "../../cli/config/paths.ts";
import { claimStateDir } from "../../cli/config/workspace.ts";

/** Below the range from which systems give ports to whoever asks for any. */
const range = [20_000, 30_000] as const;

/** Lets the workspace remember ports as if it had run before with them. */
export async function rememberPorts(workspace: string): Promise<void> {
  const first = await freeBlock();
  const ports = { platform: first, edgeSsh: first + 1, edgeHttp: first + 2, facebook: first + 3, control: null };
  const state = { version: 1, engine: null, sandbox: null, ports, callbacks: [] };
  const who = { cwd: workspace, env: process.env, uid: process.getuid?.() ?? null, now: () => new Date() };
  await claimStateDir(workspacePaths(workspace), who);
  await writeFile(path.join(workspace, ".airy/state.json"), JSON.stringify(state));
}

/** The first of four free ports in a row. */
export async function freeBlock(): Promise<number> {
  for (;;) {
    const first = randomInt(range[0] / 10, range[1] / 10) * 10;
    const free = await Promise.all([0, 1, 2, 3].map((i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
}
