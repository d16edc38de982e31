/** The page of the control address in a real browser: what came through the tunnel, and one of it sent again, changed or not. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startControl, type ControlServer } from "../../../cli/agent/control.ts";
import { createInspector } from "../../../cli/agent/inspect.ts";
import { createJournal } from "../../../cli/agent/journal.ts";
import { Recorder } from "../../../cli/tunnel/recorder.ts";
import { verifySignature } from "../../../compose/facebook/contract.ts";
import { type Receiver, startReceiver } from "../../compose/sandbox/receiver.ts";
import { findBrowser, launchBrowser } from "../../support/browser.ts";
import { readyStatus } from "../../support/dashboard-events.ts";

const executable = findBrowser();
const token = "control-token-canary";
const appSecret = "app-secret-canary";
const patience = { timeout: 30_000 };

describe.skipIf(executable === null)("the page of the requests", { timeout: 120_000 }, () => {
  let browser: Browser;
  let dir: string;
  let platform: Receiver;
  let control: ControlServer;
  let traffic: Recorder;
  let tab: Page;
  const complaints: string[] = [];
  const loaded: string[] = [];

  beforeAll(async () => {
    browser = await launchBrowser(executable ?? "");
  }, 120_000);
  afterAll(() => browser.close());
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), "airy-requests-page-"));
    platform = await startReceiver((_, res) => res.writeHead(200).end("taken"));
    traffic = new Recorder(() => {}, true);
    control = await startControl({
      port: null,
      token,
      journal: createJournal({ file: path.join(dir, "events.ndjson"), now: () => new Date(), secrets: [], log: () => {} }),
      state: async () => readyStatus,
      tunnel: () => ({ traffic, deadLetters: async () => [], replayDead: async () => 0, purgeHeld: async () => 0 }),
      inspector: createInspector({ target: platform.url, appSecret, secrets: [appSecret] }),
      check: async () => null,
      stop: () => {},
    });
    tab = await browser.newPage({ viewport: { width: 1100, height: 820 } });
    tab.setDefaultTimeout(30_000);
    complaints.length = 0;
    loaded.length = 0;
    tab.on("pageerror", (error) => complaints.push(error.message));
    tab.on("request", (request) => loaded.push(new URL(request.url()).origin));
  }, 60_000);
  afterEach(async () => {
    const shots = process.env["AIRY_TEST_SHOTS"];
    if (shots)
      await tab.screenshot({ path: `${shots}/requests-${expect.getState().currentTestName?.replaceAll(/\W+/g, "-").slice(-40)}.png` });
    await tab.close();
    await control.close();
    await platform.close();
    await rm(dir, { recursive: true });
  }, 60_000);

  /** As the tunnel does it. */
  function came(body: string, status = 200, target = "/facebook"): void {
    const capture = traffic.capture(target, ["content-type", "application/json", "x-hub-signature-256", "sha256=old"]);
    capture?.data("request", Buffer.from(body));
    if (status > 0) capture?.answered(["x-any", "a"]);
    const times = { at: new Date().toISOString(), durationMs: 3, bytesIn: body.length, bytesOut: 0 };
    const record = { id: traffic.nextId(), method: "POST", path: "/facebook", status, ...times };
    traffic.add(record);
    capture?.finish(record);
  }
  const open = (hash = `#token=${token}`) => tab.goto(`http://127.0.0.1:${control.port}/${hash}`);
  const rows = () => tab.locator("nav li button").allInnerTexts();
  const row = (n: number) => tab.locator("nav li button").nth(n);

  test("shows what comes as it comes, one of it in full with all its digits, and loads nothing from elsewhere", async () => {
    came('{"object":"page","entry":[{"id":24012345678901233,"text":"<img src=x onerror=alert(1)> gr\\u00fc\\u00dfe"}]}');
    await open();
    await expect.poll(rows, patience).toHaveLength(1);
    expect(tab.url()).not.toContain(token);
    came("refused", 401, "/facebook?hub.verify_token=secret-canary");
    await expect.poll(rows, patience).toHaveLength(2);
    await tab.getByText("2 since the start, 0 failed, 1 refused (401, 403)").waitFor();
    await row(1).click();
    const detail = tab.locator("main");
    await detail.getByText("24012345678901233").waitFor();
    expect(await detail.innerText()).toContain("<img src=x onerror=alert(1)> grüße");
    await tab.getByLabel("failed only").check();
    await expect.poll(rows, patience).toHaveLength(1);
    await row(0).click();
    await detail.getByText("hub.verify_token=********").waitFor();
    expect(await detail.innerText()).not.toContain("secret-canary");
    expect(complaints).toEqual([]);
    expect(new Set(loaded)).toEqual(new Set([`http://127.0.0.1:${control.port}`]));
  });

  test("sends one again as it was, and changed: then it is signed with the app's secret", async () => {
    came('{"object":"page"}');
    await open();
    await row(0).click();
    await tab.getByRole("button", { name: "Send again" }).click();
    await tab.getByText(/^answered 200 after/).waitFor();
    expect([platform.requests[0]!.body.toString(), platform.requests[0]!.headers["x-hub-signature-256"]]).toEqual([
      '{"object":"page"}',
      "sha256=old",
    ]);
    await tab.getByText("Change the body").click();
    await tab.getByRole("textbox", { name: "Changed body" }).fill('{"object":"page","entry":["grüße 👋"]}');
    await tab.getByRole("button", { name: "Send changed" }).click();
    await tab.getByText(/^signed anew, answered 200 after/).waitFor();
    const { body, headers } = platform.requests[1]!;
    expect(body.toString()).toBe('{"object":"page","entry":["grüße 👋"]}');
    expect(verifySignature(appSecret, body, headers as Record<string, string>)).toBe("valid");
    expect(await tab.locator("body").innerText()).not.toContain(appSecret);
  });

  test("whoever goes through the list by keyboard keeps their place while more comes", async () => {
    came("one");
    came("two");
    await open();
    await row(1).focus();
    await tab.keyboard.press("Enter");
    await tab.locator("main").getByText("one").waitFor();
    await row(1).focus();
    // Longer than between two looks.
    await tab.waitForResponse((answer) => answer.url().endsWith("/requests"));
    await tab.waitForResponse((answer) => answer.url().endsWith("/requests"));
    expect(
      await row(1).evaluate((button) => button === (button as { ownerDocument: { activeElement: unknown } }).ownerDocument.activeElement),
    ).toBe(true);
    await tab.keyboard.press("Enter");
    await tab.locator('nav [aria-current="true"]').waitFor();
  });

  test("opens for its token alone", async () => {
    came("secret body");
    await open("#token=wrong");
    await tab.getByText("The address is not complete: airy open requests").waitFor();
    expect(await rows()).toEqual([]);
  });
});
