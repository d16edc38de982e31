/**
 * Airy Core with all of its parts, stand-ins for its images, from the command line: what each source gets, who is kept out, what comes
 * back.
 */
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StatusData } from "../../../cli/events.ts";
import { createHttpClient, type HttpResponse } from "../../../cli/io/http.ts";
import { projectName } from "../../../cli/platform/compose/project.ts";
import type { Json } from "../basic/fixture.ts";
import { airy as runAiry } from "../../support/airy.ts";
import { buildCoreImages } from "../../support/core-images.ts";
import { docker, hasDocker, leftOf } from "../../support/docker.ts";
import { hasNginx } from "../../support/gateway.ts";
import { openLeakScope, type LeakScope } from "../../support/leaks.ts";
import { rememberPorts } from "../../support/ports.ts";

const http = createHttpClient();
const json = { "content-type": "application/json" };
const config = `
edition: core
components:
  sources:
    whatsapp: { appId: "11", appSecret: "wa-secret", webhookSecret: "wa-verify" }
    twilio: { authToken: "twilio-token", accountSid: "AC1" }
    viber: { authToken: "viber-token" }
    chatplugin: { enabled: true }
  integration: { webhook: { enabled: true } }
  api: { contacts: { enabled: true } }
`;

describe.skipIf(!hasDocker || !hasNginx)("Airy Core with all of its parts", () => {
  let scope: LeakScope;
  let env: Record<string, string>;
  let status: StatusData;
  let project: string;

  async function airy<T>(...args: string[]): Promise<T> {
    const run = await runAiry(scope, args, env);
    expect(run, `airy ${args.join(" ")}: ${run.stdout.slice(-2000)} ${run.stderr}`).toMatchObject({ code: 0 });
    expect(run.stderr).not.toMatch(/Warning/);
    return run.envelope.data as T;
  }

  const up = async (...more: string[]): Promise<StatusData> => (status = await airy<StatusData>("up", "--sandbox", "--yes", ...more));
  const publicly = (target: string, body: string, headers: Record<string, string> = json): Promise<HttpResponse> =>
    http({ method: "POST", url: `${status.tunnel?.url}${target}`, headers, body });
  const api = (name: string, headers = {}): Promise<HttpResponse> =>
    http({ method: "POST", url: `${status.platform.url}/${name}`, headers: { ...json, ...headers }, body: "{}" });
  const received = async (): Promise<number> => JSON.parse((await api("conversations.list")).body.toString()).pagination_data.total;
  const sandbox = (): { commandToken: string } =>
    JSON.parse(readFileSync(path.join(scope.workspace, ".airy/secrets.json"), "utf8")).sandbox;

  beforeAll(async () => {
    env = buildCoreImages();
    scope = await openLeakScope("core");
    writeFileSync(path.join(scope.workspace, "airy.yaml"), config);
    await rememberPorts(scope.workspace);
    await up();
    project = await projectName(scope.workspace);
  }, 400_000);

  afterAll(async () => {
    await runAiry(scope, ["destroy", "--yes", "--no-backup"], env);
    expect(leftOf(project)).toEqual([]);
    await scope.close();
  }, 200_000);

  test("all is ready, and what is public is said", () => {
    expect(status).toMatchObject({ state: "running", engine: "docker", edition: "core", sandbox: true });
    expect(status.platform.exposed).toEqual(["/facebook", "/whatsapp", "/twilio", "/viber"]);
    expect(status.platform.services.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "sources-chatplugin",
        "webhook-consumer",
        "beanstalkd",
        "api-contacts",
        "sources-viber-connector",
        "gateway",
      ]),
    );
  });

  test("Twilio's signature over the whole public URL fits what its connector is told", async () => {
    const params = { Body: "a b ü + &", From: "whatsapp:+491", To: "+2" };
    const sign = (url: string, token: string): string =>
      createHmac("sha1", token)
        .update(url + Object.entries(params).flat().join(""))
        .digest("base64");
    const send = async (signature: string): Promise<number> =>
      (
        await publicly("/twilio?a=1", new URLSearchParams(params).toString(), {
          "content-type": "application/x-www-form-urlencoded",
          "x-twilio-signature": signature,
        })
      ).status;
    const url = `${status.tunnel?.url}/twilio?a=1`;
    expect(await send(sign(url, "twilio-token"))).toBe(200);
    expect(await send(sign(url, "wrong"))).toBe(403);
    expect(await send(sign(url.replace("http:", "https:"), "twilio-token"))).toBe(403);
  });

  test("Viber's connector registers the public URL, and its answer to conversation_started is live", async () => {
    const log = docker("logs", `${project}-sources-viber-connector-1`);
    expect(log).toContain(`set_webhook ${status.tunnel?.url}/viber\n`);
    const { status: code, body } = await publicly("/viber", JSON.stringify({ event: "conversation_started", user: { name: "Ada" } }));
    expect([code, body.toString()]).toEqual([200, '{"type":"text","text":"Welcome, Ada"}']);
  });

  test("WhatsApp's callback is the path and the token of its connector, which checks its signatures itself", async () => {
    const url = `http://127.0.0.1:${JSON.parse(readFileSync(path.join(scope.workspace, ".airy/state.json"), "utf8")).ports.facebook}`;
    const command = async (method: string, target: string, body?: object): Promise<Json> => {
      const headers = { ...json, authorization: `Bearer ${sandbox().commandToken}` };
      return JSON.parse(
        String((await http({ method, url: `${url}${target}`, headers, ...(body && { body: JSON.stringify(body) }) })).body),
      );
    };
    const { token } = await command("POST", "/sandbox/tokens", { type: "user" });
    const [account] = (await command("GET", "/sandbox/state")).whatsapp;
    env.WHATSAPP_TOKEN = token;
    const { webhooks } = await airy<StatusData>("webhook", "connect", "--whatsapp", `account:${account.id}`);
    expect(webhooks).toMatchObject([{ state: "active", callbackUrl: `${status.tunnel?.url}/whatsapp` }]);
    await airy("webhook", "restore", "--whatsapp", `account:${account.id}`);
    const body = '{"object":"whatsapp_business_account","entry":[]}';
    const signed = (secret: string): Record<string, string> => ({
      ...json,
      "x-hub-signature": `sha1=${createHmac("sha1", secret).update(body).digest("hex")}`,
    });
    expect((await publicly("/whatsapp", body, signed("wa-secret"))).status).toBe(200);
    expect((await publicly("/whatsapp", body, signed("wrong"))).status).not.toBe(200);
  });

  test("Facebook's webhook is looked at, given back and taken again; deliveries arrive", async () => {
    await airy("trigger", "message");
    expect(await received()).toBe(1);
    expect(await airy("webhook", "status")).toMatchObject({ pages: [{ id: "1001", name: "Page" }] });
    await airy("webhook", "restore");
    expect((await runAiry(scope, ["trigger", "message"], env)).code).not.toBe(0);
    await airy("webhook", "connect");
    await airy("trigger", "message");
    expect(await received()).toBe(2);
  });

  test.each([
    "/actuator/health",
    "//actuator/health",
    "/ACTUATOR/env",
    "/facebook/../actuator/health",
    "/viber/%2e%2e/actuator/health",
    "/viber/..%2factuator",
    "/twilio;/../actuator/env",
    "/twilio/..;/actuator/env",
    "/viber/actuator/env",
    "/%61ctuator/health",
    "/channels.list",
    "/viber/../channels.list",
    "/twilio/..%2fchannels.list",
    "/client.config",
    "/components.get",
    "/inbox/",
    "/",
  ])("%s is not public", async (target) => {
    const answer = await rawPost(target);
    expect([target, [400, 404].includes(answer.status), answer.body]).toEqual([
      target,
      true,
      expect.not.stringMatching(/canary|secrets|"UP"/),
    ]);
  });

  /** As it stands: a URL would put the path in order. */
  async function rawPost(target: string): Promise<{ status: number; body: string }> {
    const { host, port } = new URL(status.tunnel?.url ?? "");
    return new Promise((resolve, reject) => {
      const req = request({ host: "127.0.0.1", port, method: "POST", path: target, headers: { host, "content-length": "2" } }, (res) => {
        let body = "";
        res.on("data", (chunk: Buffer) => (body += chunk.toString())).on("end", () => resolve({ status: res.statusCode ?? 0, body }));
      });
      req.on("error", reject).end("{}");
    });
  }

  test("each service that is started again is ready again, which is told; one whose streams have died is started again by the agent", async () => {
    const names = status.platform.services.map(({ name }) => name).filter((name) => name !== "gateway");
    // Not all at once: engine 20.10 may then keep a network for ever, as one with endpoints in use.
    const restart = (name: string): Promise<unknown> => promisify(execFile)("docker", ["restart", "-t", "1", `${project}-${name}-1`]);
    for (let i = 0; i < names.length; i += 4) await Promise.all(names.slice(i, i + 4).map(restart));
    await expect.poll(async () => (await runAiry(scope, ["status"], env)).code, { timeout: 60_000, interval: 500 }).toBe(0);
    docker("exec", `${project}-kafka-1`, "rm", "/opt/kafka/data-0/logs/topics.json");
    for (const name of ["kafka", "unread-counter"]) docker("restart", "-t", "1", `${project}-${name}-1`);
    const counter = async (): Promise<unknown> => {
      const { envelope } = await runAiry(scope, ["status"], env);
      return (envelope.data as StatusData).platform.services.find(({ name }) => name === "unread-counter");
    };
    const revived = { health: "healthy", note: expect.stringContaining("lack of topics") };
    await expect.poll(counter, { timeout: 90_000, interval: 500 }).toMatchObject(revived);
    const events = readFileSync(path.join(scope.workspace, ".airy/events.ndjson"), "utf8").split("\n");
    for (const name of names.filter((one) => !["zookeeper", "kafka", "beanstalkd"].includes(one))) {
      expect(events.filter((line) => line.includes(`"name":"${name}","state":"running","health":"healthy"`)).length, name).toBeGreaterThan(
        1,
      );
    }
    expect(events.some((line) => line.includes("SERVICE_REVIVED"))).toBe(true);
  }, 300_000);

  test("with a token the API wants it, and everything of ours has it", async () => {
    // From here on without the other sources: what is not configured any more is taken away.
    writeFileSync(path.join(scope.workspace, "airy.yaml"), 'edition: core\nsecurity: { systemToken: "api-token" }\n');
    await up();
    expect(status).toMatchObject({ state: "running", platform: { exposed: ["/facebook"] } });
    expect(leftOf(project).join()).not.toMatch(/viber|twilio|whatsapp|beanstalkd/);
    expect((await api("channels.list")).status).toBe(403);
    expect((await api("channels.list", { authorization: "Bearer api-token" })).status).toBe(200);
    await airy("trigger", "message");
    expect(await airy("webhook", "status")).toMatchObject({ pages: [{ id: "1001" }] });
  }, 200_000);

  test("the other edition has the same name and webhook, and back again the same messages", async () => {
    const { tunnel, webhooks } = status;
    writeFileSync(path.join(scope.workspace, "airy.yaml"), "");
    const basic = await up("--edition", "basic");
    expect(basic).toMatchObject({ state: "running", edition: "basic", webhooks });
    expect(basic.tunnel?.url).toBe(tunnel?.url);
    expect(basic.platform.services.map(({ name }) => name).toSorted()).toEqual(["edge", "facebook", "platform", "postgres"]);
    await airy("trigger", "message", "--text", "to the basic edition");
    expect((await api("conversations.list")).body.toString()).toContain("to the basic edition");
    const core = await up("--edition", "core");
    expect(core).toMatchObject({ state: "running", edition: "core", webhooks });
    expect(core.tunnel?.url).toBe(tunnel?.url);
    expect(await received()).toBe(1); // since the topics were taken away above
    expect(await up()).toMatchObject({ edition: "core" }); // the workspace's choice, which nobody has to repeat
    // The messages of the basic edition are beside Core's; they do not go unasked.
    expect((await runAiry(scope, ["destroy", "--yes"], env)).envelope.error).toMatchObject({ code: "NOT_BACKED_UP" });
    expect((await runAiry(scope, ["status"], env)).code).toBe(0);
  }, 400_000);
});
