/**
 * Airy Core under docker compose with stand-ins for its images: from a cold start to ready, what is delivered, what dies and what stays.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { airySignature, startSignatureGate } from "../../../cli/agent/signature-gate.ts";
import { signatureHeaders } from "../../../compose/facebook/contract.ts";
import { createHttpClient } from "../../../cli/io/http.ts";
import type { AiryEventBody } from "../../../cli/events.ts";
import { createCompose } from "../../../cli/platform/compose/compose.ts";
import { gateTokenOf } from "../../../cli/platform/compose/core/secrets.ts";
import { projectName } from "../../../cli/platform/compose/project.ts";
import type { PlatformSpec } from "../../../cli/platform/platform.ts";
import { buildCoreImages } from "../../support/core-images.ts";
import { docker, hasDocker, leftOf } from "../../support/docker.ts";
import { freePorts } from "../../cli/platform/compose/spec.ts";

const hasNginx = !(process.env.AIRY_TEST_WITHOUT ?? "").split(" ").includes("nginx");
const http = createHttpClient();
const forever = new AbortController().signal;
const appSecret = "test_app_secret";
const body = '{"object":"page","entry":[]}';

describe.skipIf(!hasDocker || !hasNginx)("Airy Core, with stand-ins for its images", () => {
  let spec: PlatformSpec;
  let platform: ReturnType<typeof createCompose>;
  let project: string;
  let events: AiryEventBody[] = [];

  const create = (connector: "0.49.0" | "0.56.0"): ReturnType<typeof createCompose> =>
    createCompose({
      uid: process.getuid?.() ?? null,
      os: process.platform,
      cwd: process.cwd(),
      now: () => new Date(),
      env: { ...process.env, ...buildCoreImages(connector) },
      distDir: path.resolve(import.meta.dirname, "../../../dist"),
      at: null,
      adopt: false,
      core: { profiles: ["facebook"], sandbox: false },
    });
  const up = async (): Promise<void> => {
    events = [];
    await platform.up(spec, (event) => events.push(event), forever);
  };
  const api = async (name: string): Promise<string> =>
    (await http({ method: "POST", url: `http://127.0.0.1:${spec.ports.platform}/${name}`, body: "{}" })).body.toString();

  async function deliver(resign: boolean, headers: Record<string, string>): Promise<number> {
    const gate = await startSignatureGate({ port: spec.ports.platform, token: gateTokenOf(spec), appSecret, resign, others: [] });
    const answer = await http({ method: "POST", url: `http://127.0.0.1:${gate.port}/facebook`, headers, body });
    await gate.close();
    return answer.status;
  }

  beforeAll(async () => {
    const [port = 0] = await freePorts(1);
    spec = {
      workspace: mkdtempSync(path.join(os.tmpdir(), "airy-core-")),
      ports: { platform: port, edgeSsh: 1, edgeHttp: 1, facebook: 1 },
      secrets: { databasePassword: "unused", verifyToken: "canary$verify", platformSecret: "canary-platform-secret" },
      core: { profiles: ["facebook"], variables: {}, resign: false },
      facebook: { appId: "100000000000001", appSecret, graphUrl: "https://graph.facebook.com" },
      sandbox: null,
    };
    project = await projectName(spec.workspace);
    platform = create("0.49.0");
    await up();
  }, 400_000);

  afterAll(async () => {
    await platform.destroy(spec.workspace, () => {});
    expect(leftOf(project)).toEqual([]);
    rmSync(spec.workspace, { recursive: true, force: true });
  }, 120_000);

  test("everything is ready, and said to be; api-admin sees its components healthy", async () => {
    const services = await platform.status(spec.workspace);
    expect(services.map(({ name }) => name)).not.toContain("topics");
    for (const { name, state } of services) expect([name, state]).toEqual([name, "running"]);
    await expect.poll(() => api("client.config"), { timeout: 30_000 }).toContain('"sources-facebook","healthy":true');
  });

  test("what Meta signed reaches the connector, by both versions of it; what is forged does not", async () => {
    const signed = { ...signatureHeaders(appSecret, Buffer.from(body)) };
    expect(await deliver(false, signed)).toBe(200);
    expect(await deliver(false, { "x-hub-signature": airySignature(appSecret, Buffer.from(body)) })).toBe(401);
    platform = create("0.56.0");
    await up();
    expect(await deliver(false, signed)).toBe(403); // as the real one refuses every genuine delivery
    expect(await deliver(true, signed)).toBe(200);
    platform = create("0.49.0");
    await up();
  }, 200_000);

  test("what was received stays over a restart of each service, and over down and up", async () => {
    const before = await api("conversations.list");
    expect(JSON.parse(before)).toMatchObject({ pagination_data: { total: 2 } });
    const ids = docker("ps", "-q", "--filter", `label=com.docker.compose.project=${project}`).split("\n");
    execFileSync("docker", ["restart", "-t", "2", ...ids], { stdio: "ignore" });
    await up();
    expect(await api("conversations.list")).toBe(before);
    await platform.down(spec.workspace, () => {});
    await up();
    expect(await api("conversations.list")).toBe(before);
  }, 300_000);

  test("a service that is gone is made again", async () => {
    docker("rm", "-f", `${project}-unread-counter-1`);
    await up();
    expect((await platform.status(spec.workspace)).find(({ name }) => name === "unread-counter")?.health).toBe("healthy");
  }, 200_000);

  test("a service whose streams died for lack of topics is started again, which is said", async () => {
    docker("exec", `${project}-kafka-1`, "rm", "/opt/kafka/data-0/logs/topics.json");
    docker("restart", "-t", "2", `${project}-kafka-1`);
    docker("restart", "-t", "2", `${project}-unread-counter-1`);
    const health = async (): Promise<string | undefined> =>
      (await platform.status(spec.workspace)).find(({ name }) => name === "unread-counter")?.health;
    await expect.poll(health, { timeout: 60_000 }).toBe("unhealthy");
    await up();
    expect(await health()).toBe("healthy");
    expect(events.filter((event) => "detail" in event && event.detail?.includes("lack of topics"))).not.toEqual([]);
  }, 200_000);
});
