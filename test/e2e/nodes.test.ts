/** The way from nothing to nothing on the versions of Node that people have; test/run says which there are. */
import { execFileSync } from "node:child_process";
import { describe, expect, onTestFinished, test } from "vitest";
import type { StatusData } from "../../cli/events.ts";
import { createHttpClient } from "../../cli/io/http.ts";
import { airy } from "../support/airy.ts";
import { openLeakScope } from "../support/leaks.ts";
import { rememberPorts } from "../support/ports.ts";

const programs = (process.env["AIRY_TEST_NODES"] ?? "").split(" ").filter(Boolean);
const versions = programs.map((program) => [execFileSync(program, ["--version"], { encoding: "utf8" }).trim(), program] as const);

describe.skipIf(programs.length === 0)("with another Node", () => {
  test.each(versions)("%s: up, a message that shows in the inbox, down", { timeout: 120_000 }, async (version, program) => {
    const scope = await openLeakScope(`node-${version}`);
    onTestFinished(async () => {
      await airy(scope, ["destroy", "--yes"]);
      await scope.close();
    }, 60_000);
    await rememberPorts(scope.workspace);
    const run = async (...args: string[]): Promise<unknown> => {
      const { code, stderr, envelope } = await airy(scope, args, {}, program);
      expect([args, code], stderr).toEqual([args, 0]);
      return envelope.data;
    };
    const { state, platform } = (await run("up", "--sandbox", "--yes", "--engine", "embedded")) as StatusData;
    expect(state).toBe("running");
    await run("trigger", "message", "--text", `from ${version}`);
    const inbox = async (target: string, body: object): Promise<string> => {
      const headers = { "content-type": "application/json" };
      const url = `${platform.url}${target}`;
      return String((await createHttpClient()({ method: "POST", url, headers, body: JSON.stringify(body) })).body);
    };
    const conversations = JSON.parse(await inbox("/conversations.list", {})) as { data: { id: string }[] };
    expect(await inbox("/messages.list", { conversation_id: conversations.data[0]?.id })).toContain(`from ${version}`);
    await run("down");
    expect(await scope.settled()).toEqual([]);
    await run("destroy", "--yes");
  });
});
