/**
 * `--edge local`: a real app (here: a stand-in in its place) with an edge on this machine; and what `airy status` knows of a start that
 * failed.
 */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readRecord } from "../../cli/agent/record.ts";
import { workspacePaths } from "../../cli/config/paths.ts";
import { type Json, type StandIn, app, page, startStandIn } from "../compose/sandbox/stand-in.ts";
import { airy, type Ended } from "../support/airy.ts";
import { openLeakScope, type LeakScope } from "../support/leaks.ts";
import { rememberPorts } from "../support/ports.ts";

const minutes = 60_000;
let scope: LeakScope;
let standIn: StandIn;

beforeAll(async () => {
  scope = await openLeakScope("local-edge");
  await rememberPorts(scope.workspace);
  standIn = await startStandIn();
});
afterAll(async () => {
  await airy(scope, ["destroy", "--yes"]);
  await standIn.close();
  await scope.close();
});

const env = (changes: Record<string, string> = {}) => {
  return { AIRY_GRAPH_URL: standIn.url, FACEBOOK_APP_ID: app.id, FACEBOOK_APP_SECRET: app.secret, ...changes };
};
const up = (more: string[] = [], changes: Record<string, string> = {}): Promise<Ended> =>
  airy(scope, ["up", "--yes", "--engine", "embedded", "--timeout", "300", ...more], env(changes));
const pid = async (): Promise<number | undefined> => (await readRecord(workspacePaths(scope.workspace)))?.pid;
const callback = async (): Promise<string> =>
  ((await standIn.command("GET", "/sandbox/state")).json.subscriptions as Json[])[0]?.callbackUrl;
const lastFailure = async (): Promise<Json | undefined> =>
  ((await airy(scope, ["status"])).envelope.data as Json).lastFailure as Json | undefined;

test(
  "a start that fails before there is a background process is known to airy status, with its reason and what to do; the next good one forgets it",
  async () => {
    expect((await up(["--edge", "not an edge"])).envelope.error).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await lastFailure()).toMatchObject({ code: "INVALID_ARGUMENT", why: expect.stringContaining("not an edge") });
    const secret = await up(["--edge", "local"], { FACEBOOK_APP_SECRET: "" });
    expect(secret.envelope.error).toMatchObject({ code: "SECRET_MISSING" });
    expect(await lastFailure()).toMatchObject({ code: "SECRET_MISSING", actions: expect.arrayContaining([expect.any(String)]) });
    await writeFile(path.join(scope.workspace, "airy.yaml"), "edgee: local\n");
    expect((await up()).envelope.error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(await lastFailure()).toMatchObject({ code: "CONFIG_INVALID" });
    await writeFile(path.join(scope.workspace, "airy.yaml"), "");
    const rejected = await up(["--edge", "local"], { FACEBOOK_APP_SECRET: "another" });
    expect(rejected.envelope.error).toMatchObject({ code: "FB_SECRET_WRONG" });
    expect(await lastFailure()).toMatchObject({ code: "FB_SECRET_WRONG", why: expect.stringContaining("Trace id") });
    const journal = await readFile(workspacePaths(scope.workspace).events, "utf8");
    expect(journal.match(/"type":"failed"/g)).toHaveLength(4);
  },
  5 * minutes,
);

test(
  "an edge on this machine without the stand-in: registered, heard, and kept by the next airy up; airy down forgets it, airy.yaml may say it as well",
  async () => {
    expect((await up(["--edge", "local"])).code).toBe(0);
    expect(await callback()).toMatch(/^http:\/\/[a-z0-9]{10}\.tunnel\.localhost:\d+\/facebook$/);
    expect(await lastFailure()).toBeUndefined();
    const token = (await standIn.command("POST", "/sandbox/tokens", { type: "user" })).json.token as string;
    const connected = await airy(scope, ["webhook", "connect"], env({ FACEBOOK_USER_TOKEN: token }));
    expect(connected.envelope).toMatchObject({ error: null, data: { page: { id: page.id } } });
    expect((await standIn.command("POST", "/sandbox/events", { kind: "message", text: "hello" })).json).toMatchObject({ status: 200 });
    const status = (await airy(scope, ["status"])).envelope.data as Json;
    expect(status.pages).toMatchObject([
      { id: page.id, state: "ok" },
      { source: "instagram", state: "ok" },
    ]);

    const before = await pid();
    expect((await up()).code).toBe(0);
    expect(await pid()).toBe(before);
    await airy(scope, ["down"]);
    await writeFile(path.join(scope.workspace, "airy.yaml"), "edge: local\n");
    const registered = await callback();
    expect((await up()).code).toBe(0);
    expect(await callback()).toBe(registered);
  },
  5 * minutes,
);
