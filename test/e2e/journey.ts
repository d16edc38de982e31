/** The way from nothing to nothing that a newcomer takes, through the bundle's own command line: the same for each engine. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpClient } from "../../cli/io/http.ts";
import type { EngineName, StatusData } from "../../cli/events.ts";
import { findBrowser, launchBrowser } from "../support/browser.ts";
import { openLeakScope, type LeakScope } from "../support/leaks.ts";
import { rememberPorts } from "../support/ports.ts";

const bundle = path.resolve(import.meta.dirname, "../../dist/airy.js");
const minutes = 60_000;
const http = createHttpClient();

interface Envelope {
  status: "ok" | "error";
  data: unknown;
  error: { code: string } | null;
}

interface Run {
  code: number;
  stderr: string;
  /** stdout, a JSON value a line. */
  lines: unknown[];
  /** The last of them. */
  envelope: Envelope;
}

interface Message {
  /** What Facebook delivered, or what was sent. */
  content: { message?: { text: string }; text?: string };
  from_contact: boolean;
  delivery_state: string;
}

function textOf({ content }: Message): string | undefined {
  return content.message?.text ?? content.text;
}

/** To be called inside `describe`: the tests build on each other. */
export function journey(engine: EngineName): void {
  let scope: LeakScope;
  let status: StatusData;
  const url = (target: string): string => `${status.platform.url}${target}`;

  function airy(...args: string[]): Promise<Run> {
    const env = { ...process.env, TMPDIR: scope.tmp };
    return new Promise((resolve) => {
      execFile(process.execPath, [bundle, ...args, "--json"], { cwd: scope.workspace, env }, (error, stdout, stderr) => {
        const lines = stdout
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line) as unknown);
        resolve({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, stderr, lines, envelope: lines.at(-1) as Envelope });
      });
    });
  }

  async function succeed<T>(...args: string[]): Promise<T> {
    const run = await airy(...args);
    expect(run, `airy ${args.join(" ")}: ${run.stderr}`).toMatchObject({ code: 0, envelope: { status: "ok", error: null } });
    return run.envelope.data as T;
  }

  const up = (): Promise<StatusData> => succeed("up", "--sandbox", "--yes", "--engine", engine);

  async function api<T>(target: string, body: unknown = {}): Promise<T> {
    const response = await http({
      method: "POST",
      url: url(target),
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect([target, response.status, String(response.body)]).toEqual([target, 200, expect.anything()]);
    return (JSON.parse(String(response.body)) as { data: T }).data;
  }

  async function messages(): Promise<Message[]> {
    const [conversation] = await api<{ id: string }[]>("/conversations.list");
    return conversation ? api<Message[]>("/messages.list", { conversation_id: conversation.id }) : [];
  }

  /** What the page answered, as the stand-in for Facebook got it. */
  async function replies(): Promise<string> {
    const secrets = JSON.parse(readFileSync(path.join(scope.workspace, ".airy/secrets.json"), "utf8")) as {
      sandbox: { commandToken: string };
    };
    const state = JSON.parse(readFileSync(path.join(scope.workspace, ".airy/state.json"), "utf8")) as { ports: { facebook: number } };
    const response = await http({
      url: `http://127.0.0.1:${state.ports.facebook}/sandbox/replies`,
      headers: { authorization: `Bearer ${secrets.sandbox.commandToken}` },
    });
    return String(response.body);
  }

  beforeAll(async () => {
    scope = await openLeakScope(`journey-${engine}`);
    await rememberPorts(scope.workspace);
    status = await up();
  }, 3 * minutes);

  afterAll(async () => {
    await airy("destroy", "--yes");
    await scope.close();
  }, minutes);

  test("up brings everything up and says so", () => {
    expect(status).toMatchObject({
      state: "running",
      engine,
      sandbox: true,
      tunnel: { state: "open", url: expect.stringMatching(/^http:\/\/[a-z2-7]{10}\.tunnel\.localhost:\d+$/) },
      webhooks: ["page", "instagram"].map((object) => ({
        source: "facebook",
        object,
        state: "active",
        callbackUrl: `${status.tunnel?.url}/facebook`,
      })),
    });
    const services = status.platform.services.map(({ name, state, health }) => `${name} ${state} ${health}`);
    expect(services.sort()).toEqual([
      "edge running healthy",
      "facebook running healthy",
      "platform running healthy",
      "postgres running healthy",
    ]);
  });

  test("of the platform only the webhook path is public", async () => {
    const inside = await http({
      method: "POST",
      url: url("/conversations.list"),
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(inside.status).toBe(200);
    for (const target of ["/", "/conversations.list", "/health", "/facebooks", "/facebook%2f..%2fhealth"]) {
      const response = await http({ method: "POST", url: `${status.tunnel?.url}${target}`, body: "{}" });
      expect([target, response.status]).toEqual([target, target.includes("%") ? 400 : 404]);
    }
    expect((await http({ url: `${status.tunnel?.url}/facebook?hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1` })).status).toBe(
      403,
    );
  });

  test("a customer's message arrives in the inbox, through edge and tunnel", async () => {
    const sent = await succeed<{ status: number; deliveries: unknown[] }>("trigger", "message", "--text", "Grüße 👋");
    expect(sent).toMatchObject({ status: 200, deliveries: [{ status: 200 }] });
    expect(await messages()).toMatchObject([{ from_contact: true, content: { message: { text: "Grüße 👋" } } }]);
  });

  test.skipIf(findBrowser() === null)(
    "the inbox page shows it, and the reply reaches the stand-in for Facebook",
    async () => {
      const browser = await launchBrowser(findBrowser()!);
      try {
        const page = await browser.newPage();
        await page.goto(url("/"));
        await page.locator("button.entry").first().click();
        await page.locator(".message .text", { hasText: "Grüße 👋" }).waitFor();
        await page.getByRole("textbox").fill("Hello from the page");
        await page.getByRole("button", { name: "Send" }).click();
        await expect.poll(replies).toContain("Hello from the page");
        await succeed("trigger", "message", "--text", "seen live");
        await page.locator(".message .text", { hasText: "seen live" }).waitFor();
      } finally {
        await browser.close();
      }
    },
    minutes,
  );

  test("a reply through the API reaches the stand-in for Facebook", async () => {
    const [conversation] = await api<{ id: string }[]>("/conversations.list");
    const response = await http({
      method: "POST",
      url: url("/messages.send"),
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ conversation_id: conversation?.id, message: { text: "Hello from the API" } }),
    });
    expect(response.status).toBe(200);
    await expect.poll(replies).toContain("Hello from the API");
    await expect
      .poll(async () => (await messages()).find((message) => textOf(message) === "Hello from the API")?.delivery_state)
      .toBe("delivered");
  });

  test(
    "up again changes nothing",
    async () => {
      const again = await up();
      expect(again).toMatchObject({ state: "running", control: status.control, tunnel: { since: status.tunnel?.since } });
    },
    minutes,
  );

  test(
    "the agent process killed: degraded; up again has the same URL, and messages arrive",
    async () => {
      const { pid } = JSON.parse(readFileSync(path.join(scope.workspace, ".airy/agent.json"), "utf8")) as { pid: number };
      process.kill(pid, "SIGKILL");
      await expect.poll(async () => (await airy("status")).code).not.toBe(0);
      status = await up().then((after) => {
        expect(after.tunnel?.url).toBe(status.tunnel?.url);
        return after;
      });
      await succeed("trigger", "message", "--text", "after the crash");
      expect((await messages()).map(textOf)).toContain("after the crash");
    },
    2 * minutes,
  );

  test(
    "logs show every service",
    async () => {
      const run = await airy("logs");
      expect(run.code).toBe(0);
      const text = JSON.stringify(run.lines);
      for (const service of ["postgres", "platform", "edge", "facebook"]) expect(text).toContain(`"${service}"`);
    },
    minutes,
  );

  test(
    "down stops everything and keeps the messages",
    async () => {
      await succeed("down");
      expect(await airy("status")).toMatchObject({ code: 30, envelope: { status: "ok", data: { state: "stopped" } } });
      expect((await scope.settled()).filter((left) => !left.startsWith("volume "))).toEqual([]);
      await succeed("down");

      const before = status.tunnel?.url;
      status = await up();
      expect(status.tunnel?.url).toBe(before);
      expect((await messages()).map(textOf)).toContain("after the crash");
    },
    2 * minutes,
  );

  test(
    "destroy leaves nothing",
    async () => {
      expect(await airy("destroy")).toMatchObject({ code: 3, envelope: { status: "error", error: { code: "CONFIRMATION_REQUIRED" } } });
      expect(await succeed("destroy", "--yes")).toMatchObject({ destroyed: true, left: [] });
      expect(await scope.settled()).toEqual([]);
    },
    minutes,
  );
}
