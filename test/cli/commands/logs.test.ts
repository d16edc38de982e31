/** `airy logs`, `airy url` and `airy list` of a workspace whose services are down: from what is on its disk. */
import { appendFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { workspacePaths } from "../../../cli/config/paths.ts";
import { prepareStateDir, readState, writeState } from "../../../cli/config/state.ts";
import { claimStateDir } from "../../../cli/config/workspace.ts";
import { airy, startAiry } from "../../support/airy.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";

let scope: LeakScope;
const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();

beforeEach(async () => {
  scope = await openLeakScope("logs");
  const paths = workspacePaths(scope.workspace);
  await claimStateDir(paths, { cwd: scope.workspace, env: process.env, uid: process.getuid?.() ?? null, now: () => new Date() });
  await prepareStateDir(paths);
  await writeState(paths, { ...(await readState(paths)), engine: "embedded" });
  writeFileSync(
    path.join(paths.logs, "platform.log"),
    `${ago(7200)} started\n${ago(3600)} Error: no database\n    at the second line of it\n${ago(60)} error again\n`,
  );
  writeFileSync(paths.agentLog, `${ago(1800)} tunnel: open\n`);
});
afterEach(() => scope.close());

const linesOf = async (...args: string[]): Promise<string[]> => {
  const { lines } = await airy(scope, ["logs", ...args]);
  return lines.flatMap((line) => ("line" in line ? [String(line.line)] : []));
};

test("by time, by words, of one or all", async () => {
  expect(await linesOf()).toEqual(["started", "Error: no database", "    at the second line of it", "tunnel: open", "error again"]);
  expect(await linesOf("--since", "90m")).toEqual(["Error: no database", "    at the second line of it", "tunnel: open", "error again"]);
  expect(await linesOf("--since", ago(120))).toEqual(["error again"]);
  expect(await linesOf("--grep", "error|tunnel")).toEqual(["Error: no database", "tunnel: open", "error again"]);
  expect(await linesOf("platform", "--grep", "Error")).toEqual(["Error: no database"]);
  expect(await linesOf("--grep", "error", "--tail", "1")).toEqual(["error again"]);
  for (const wrong of [["--since", "soon"], ["--grep", "("], ["nope"]]) expect((await airy(scope, ["logs", ...wrong])).code).toBe(2);
});

test("-f goes on with what comes, of the services and the agent, until it is stopped", async () => {
  const paths = workspacePaths(scope.workspace);
  const following = startAiry(scope, ["logs", "-f", "--grep", "new"]);
  const more = setInterval(() => {
    appendFileSync(path.join(paths.logs, "platform.log"), `${ago(0)} new message\n`);
    appendFileSync(paths.agentLog, `${ago(0)} new tunnel\n${ago(0)} something else\n`);
  }, 300);
  await following.line((line) => "line" in line && line.line === "new message");
  await following.line((line) => "line" in line && line.line === "new tunnel");
  clearInterval(more);
  following.kill("SIGINT");
  const { code, envelope } = await following.ended;
  expect({ code, status: envelope.status }).toEqual({ code: 0, status: "ok" });
});

test("what does not run has no URL, and is listed when it is asked for", async () => {
  const { code, envelope } = await airy(scope, ["url"]);
  expect(code).toBe(13);
  expect(envelope.error).toMatchObject({ code: "NOT_RUNNING" });
  const listed = async (...args: string[]) => {
    const { workspaces } = (await airy(scope, ["list", ...args])).envelope.data as { workspaces: { workspace: string; state: string }[] };
    return workspaces.filter(({ workspace }) => workspace === scope.workspace);
  };
  expect(await listed()).toEqual([]);
  expect(await listed("--all")).toEqual([expect.objectContaining({ state: "stopped", engine: "embedded" })]);
});
