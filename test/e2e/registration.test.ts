/**
 * A webhook over hours, with an edge and a stand-in for Facebook that live on while the workspace does not; the stand-in's clock is moved.
 */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { workspacePaths } from "../../cli/config/paths.ts";
import { readRecord } from "../../cli/agent/record.ts";
import { startEdge, type RunningEdge } from "../../edge/index.ts";
import { type Json, type StandIn, app, appToken, page, startStandIn } from "../compose/sandbox/stand-in.ts";
import { airy, type Ended } from "../support/airy.ts";
import { openLeakScope, type LeakScope } from "../support/leaks.ts";
import { rememberPorts } from "../support/ports.ts";

const minutes = 60_000;
const patience = { timeout: 60_000, interval: 100 };
let scope: LeakScope;
let standIn: StandIn;
let edge: RunningEdge;
let userToken: string;

const env = () => ({ AIRY_GRAPH_URL: standIn.url, FACEBOOK_APP_ID: app.id, FACEBOOK_APP_SECRET: app.secret });

async function openEdge(ports: { ssh: number; http: number }): Promise<RunningEdge> {
  return startEdge({
    domain: "tunnel.localhost",
    ssh: { host: "127.0.0.1", port: ports.ssh },
    http: { host: "127.0.0.1", port: ports.http },
    admin: null,
    dataDir: path.join(scope.root, "edge"),
    access: { authorizedKeys: null, deniedKeys: null },
    hostKey: null,
    publicPort: null,
    log: () => {},
  });
}

beforeAll(async () => {
  scope = await openLeakScope("registration");
  await mkdir(path.join(scope.root, "edge"));
  await rememberPorts(scope.workspace);
  standIn = await startStandIn();
  edge = await openEdge({ ssh: 0, http: 0 });
  const { json } = await standIn.command("POST", "/sandbox/tokens", { type: "user" });
  userToken = json.token as string;
});

afterAll(async () => {
  await airy(scope, ["destroy", "--yes"]);
  await edge.close(0);
  await standIn.close();
  await scope.close();
});

const up = (...more: string[]): Promise<Ended> =>
  airy(scope, ["up", "--yes", "--engine", "embedded", "--edge", `127.0.0.1:${edge.sshPort}`, "--timeout", "300", ...more], env());
const state = async (): Promise<Json> => (await standIn.command("GET", "/sandbox/state")).json;
const advance = (advanceMinutes: number) => standIn.command("POST", "/sandbox/clock", { advanceMinutes });
const write = (text: string) => standIn.command("POST", "/sandbox/events", { kind: "message", text });

function repairs({ code, envelope, stderr }: Ended): string[] {
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  return envelope.warnings.filter((warning) => warning.code === "WEBHOOK_REPAIRED").map(({ message }) => message);
}

test(
  "a page is connected with its owner's token, and a customer is heard",
  async () => {
    expect(repairs(await up())).toEqual([]);
    const refused = await airy(scope, ["webhook", "connect", "--page", page.id], env());
    expect(refused.envelope.error).toMatchObject({ code: "USER_TOKEN_NEEDED" });
    const weak = (await standIn.command("POST", "/sandbox/tokens", { type: "user", scopes: ["pages_show_list"] })).json.token as string;
    const lacking = await airy(scope, ["webhook", "connect"], { ...env(), FACEBOOK_USER_TOKEN: weak });
    expect(lacking.envelope.error).toMatchObject({
      code: "USER_PERMISSIONS",
      details: { missing: ["pages_manage_metadata", "pages_messaging"] },
    });
    const other = await airy(scope, ["webhook", "connect", "--page", "4711"], { ...env(), FACEBOOK_USER_TOKEN: userToken });
    expect(other.envelope.error).toMatchObject({ code: "PAGE_UNCHOSEN", details: { pages: expect.stringContaining(page.id) } });
    const connected = await airy(scope, ["webhook", "connect"], { ...env(), FACEBOOK_USER_TOKEN: userToken });
    expect(connected.envelope).toMatchObject({ error: null, data: { page: { id: page.id } } });
    for (const { stdout, stderr } of [lacking, other, connected])
      expect(stdout + stderr).not.toMatch(new RegExp(`${userToken}|${app.secret}`));
    expect((await write("hello")).json).toMatchObject({ status: 200 });
  },
  5 * minutes,
);

test(
  "what was lost at Facebook while all runs is put right by the next airy up, which says so; the one after has nothing to do",
  async () => {
    await standIn.call("DELETE", `/v26.0/${app.id}/subscriptions`, appToken);
    await standIn.call("DELETE", "/v26.0/me/subscribed_apps", page.token);
    expect((await state()).page.subscribedFields).toBeNull();
    const said = repairs(await up());
    expect(said).toContainEqual(expect.stringContaining("The webhook was gone"));
    expect(said).toContainEqual(expect.stringContaining(`(${page.id}) was not subscribed`));
    expect((await write("heard again")).json).toMatchObject({ status: 200 });
    expect(repairs(await up())).toEqual([]);
  },
  5 * minutes,
);

test(
  "asleep for hours, with the edge awake: all is held, nothing is unsubscribed",
  async () => {
    const { pid } = (await readRecord(workspacePaths(scope.workspace)))!;
    process.kill(pid, "SIGSTOP");
    try {
      for (let n = 0; n < 4; n += 1) {
        expect((await write(`asleep ${n}`)).json).toMatchObject({ status: 200 });
        await advance(40);
      }
      expect((await state()).page.subscribedFields).not.toBeNull();
      expect((await state()).alerts).toEqual([]);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    expect(repairs(await up())).toEqual([]);
  },
  5 * minutes,
);

test(
  "tunnel and edge away for over an hour: Facebook unsubscribes the page, airy up repairs it and says so",
  async () => {
    const { sshPort, httpPort } = edge;
    await airy(scope, ["down"]);
    await edge.close(0);
    await write("into the void");
    await advance(16);
    await advance(50);
    await expect.poll(async () => ((await state()).alerts as Json[]).map(({ kind }) => kind), patience).toContain("disabled");
    expect((await state()).page.subscribedFields).toBeNull();
    edge = await openEdge({ ssh: sshPort, http: httpPort });
    const { code, lines } = await up();
    expect(code).toBe(0);
    const said = lines.flatMap((line) => (line.type === "warning" ? [line.message] : []));
    expect(said).toContainEqual(expect.stringContaining(`(${page.id}) was not subscribed`));
    expect((await write("back")).json).toMatchObject({ status: 200 });
  },
  5 * minutes,
);

test(
  "a webhook that was not there before is taken away again",
  async () => {
    const status = await airy(scope, ["webhook", "status"], env());
    expect(status.envelope.data).toMatchObject({
      webhooks: [
        { object: "page", state: "active" },
        { object: "instagram", state: "active" },
      ],
      pages: expect.arrayContaining([expect.objectContaining({ id: page.id, broken: null })]),
    });
    expect(JSON.stringify(status.envelope)).not.toContain(app.secret);
    expect((await airy(scope, ["down", "--restore-webhook"], env())).code).toBe(0);
    expect((await state()).subscriptions).toEqual([]);
  },
  5 * minutes,
);
