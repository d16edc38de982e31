/** `airy up` against an edge of one's own with certificates of an authority, and a Facebook that takes nothing but https. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeCa, type TestCa } from "../edge/tls/support.ts";
import { airy } from "../support/airy.ts";
import { run, type RunningCommand } from "../support/edge-process.ts";
import { openLeakScope, type LeakScope } from "../support/leaks.ts";
import { hasPebble, startPebble, type Pebble } from "../support/pebble.ts";
import { freeBlock, rememberPorts } from "../support/ports.ts";

const any = "127.0.0.1:0";
let scope: LeakScope;
let ca: TestCa;
let pebble: Pebble;
let edge: RunningCommand;
let facebook: RunningCommand;
let ports: { http: number; https: number; ssh: number };
let trust: Record<string, string>;
let standIn: { graphUrl: string; appId: string; appSecret: string; pageId: string; userToken: string; commandToken: string };

const listening = async (command: RunningCommand) => JSON.parse(await command.line((line) => line.includes('"listening"'))) as never;

beforeAll(async () => {
  if (!hasPebble) return;
  scope = await openLeakScope("https");
  await rememberPorts(scope.workspace);
  ca = makeCa();
  const first = await freeBlock();
  ports = { http: first, https: first + 1, ssh: 0 };
  pebble = await startPebble(ca, { httpPort: ports.http, tlsPort: ports.https });
  const file = path.join(scope.root, "authority.pem");
  writeFileSync(file, `${ca.cert.toString()}\n${await pebble.root()}`);
  trust = { NODE_EXTRA_CA_CERTS: file };
  const addresses = ["--ssh", any, "--http", `127.0.0.1:${ports.http}`, "--https", `127.0.0.1:${ports.https}`];
  const acme = ["--tls", "acme", "--acme-directory", pebble.directory];
  edge = run(["edge", "--json", "--domain", "tunnel.localhost", ...addresses, ...acme, "--data", "edge"], trust, scope.root);
  facebook = run(["sandbox", "--json", "--port", String(first + 2), "--data", "facebook"], trust, scope.root);
  ports.ssh = ((await listening(edge)) as { sshPort: number }).sshPort;
  const told = (await listening(facebook)) as typeof standIn;
  const { commandToken } = JSON.parse(readFileSync(path.join(scope.root, "facebook/credentials.json"), "utf8")) as typeof standIn;
  standIn = { ...told, commandToken };
}, 120_000);
afterAll(async () => {
  if (!hasPebble) return;
  await airy(scope, ["destroy", "--yes"]);
  await Promise.all([edge.kill(), facebook.kill()]);
  await pebble.close();
  ca.remove();
  expect(await scope.settled()).toEqual([]);
  await scope.close();
});

const command = async (method: string, target: string, body?: unknown) => {
  const response = await fetch(standIn.graphUrl + target, {
    method,
    headers: { authorization: `Bearer ${standIn.commandToken}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return [response.status, await response.json()] as [number, Record<string, unknown>];
};

it.skipIf(!hasPebble)(
  "the webhook is registered under https, a message arrives by it, and without the certificate Facebook refuses",
  async () => {
    expect((await command("PATCH", "/sandbox/settings", { allowHttp: false }))[0]).toBe(200);
    const environment = () => ({
      ...trust,
      AIRY_GRAPH_URL: standIn.graphUrl,
      FACEBOOK_APP_ID: standIn.appId,
      FACEBOOK_APP_SECRET: standIn.appSecret,
    });
    const up = () =>
      airy(scope, ["up", "--yes", "--engine", "embedded", "--edge", `127.0.0.1:${ports.ssh}`, "--timeout", "300"], environment());
    const ended = await up();
    expect([ended.envelope.error, ended.code]).toEqual([null, 0]);
    const url = new RegExp(`^https://[a-z0-9]{10}\\.tunnel\\.localhost:${ports.https}/facebook$`);
    const [, state] = await command("GET", "/sandbox/state");
    expect(JSON.stringify(state)).toContain("https://");
    const callbacks = JSON.stringify(state).match(/https?:\/\/[a-z0-9.]+tunnel\.localhost[^"]*/g)!;
    for (const callback of callbacks) expect(callback).toMatch(url);
    const connected = await airy(scope, ["webhook", "connect"], { ...environment(), FACEBOOK_USER_TOKEN: standIn.userToken });
    expect(connected.envelope.error).toBe(null);
    expect((await command("POST", "/sandbox/events", { kind: "message", text: "by https" }))[1]).toMatchObject({ status: 200 });
    expect(pebble.issued()).toBe(1);

    // The same without TLS at the edge: now the callback would be http.
    await airy(scope, ["down"]);
    await edge.kill();
    const plain = ["--ssh", `127.0.0.1:${ports.ssh}`, "--http", `127.0.0.1:${ports.http}`];
    edge = run(["edge", "--json", "--domain", "tunnel.localhost", ...plain, "--data", "edge"], trust, scope.root);
    await listening(edge);
    const refused = await up();
    expect(refused.code).toBe(22);
    expect(JSON.stringify(refused.envelope.error)).toMatch(/https/);
  },
  300_000,
);
