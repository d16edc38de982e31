/** The inbox page in a real browser, served by the real platform on a real Postgres. */
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";
import { type BuiltInbox, buildInbox, findBrowser, launchBrowser } from "../../support/browser.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { delivery, pageId, startTestPlatform, type TestPlatform, textEvent } from "../basic/fixture.ts";

export const executable = findBrowser();

export interface Desk {
  readonly platform: TestPlatform;
  /** What the page asked of other hosts, what the browser refused it, and what it threw. */
  readonly complaints: string[];
  /** Opens the page. */
  open(options?: BrowserContextOptions, hash?: string): Promise<Page>;
  /** Opens the page and waits until events arrive. */
  live(options?: BrowserContextOptions, hash?: string): Promise<Page>;
  /** A customer writes; times go up by a second a message. */
  write(text: string, from?: string): Promise<void>;
  /** Customers do these, in this order; `rest` is what stands beside sender and recipient. */
  deliver(...items: { from?: string; rest: object }[]): Promise<void>;
}

/** Registers what starts and ends it: a browser for the file, a platform for each test. */
export function useDesk(): Desk {
  let browser: Browser;
  let built: BuiltInbox;
  let postgres: TestPostgres;
  let platform: TestPlatform;
  let complaints: string[] = [];
  let times = 0;

  beforeAll(async () => {
    [browser, built, postgres] = await Promise.all([launchBrowser(executable!), buildInbox(), startPostgres()]);
  });
  afterAll(async () => {
    await browser.close();
    await Promise.all([postgres.close(), built[Symbol.asyncDispose]()]);
  });
  beforeEach(async () => {
    complaints = [];
    platform = await startTestPlatform(await postgres.createDatabase(), { webDir: built.dir });
    await platform.connect();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await platform.close();
  });

  async function open(options: BrowserContextOptions = {}, hash = ""): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1100, height: 700 }, ...options });
    const page = await context.newPage();
    page.on("request", (request) => {
      if (!request.url().startsWith(platform.url) && !request.url().startsWith("data:")) complaints.push(`asks ${request.url()}`);
    });
    page.on("console", (line) => {
      if (/content security policy|uncaught/i.test(line.text())) complaints.push(line.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(`${platform.url}/${hash}`);
    return page;
  }

  async function deliver(...items: { from?: string; rest: object }[]): Promise<void> {
    const answer = await platform.deliver(
      delivery(
        items.map(({ from = "2002", rest }) => {
          times += 1;
          return { sender: { id: from }, recipient: { id: pageId }, timestamp: Date.now() - 3_600_000 + times * 1000, ...rest };
        }),
      ),
    );
    expect(answer.status).toBe(200);
  }

  return {
    get platform() {
      return platform;
    },
    get complaints() {
      return complaints;
    },
    open,
    async live(options, hash) {
      const page = await open(options, hash);
      await page.locator(".page.live").waitFor({ state: "attached" });
      return page;
    },
    async write(text, from = "2002") {
      times += 1;
      const event = textEvent(`m_${times}`, text, { from, at: Date.now() - 3_600_000 + times * 1000 });
      expect((await platform.deliver(delivery([event]))).status).toBe(200);
    },
    deliver,
  };
}

export const conversationOf = (from: string) => airyId(airyId("facebook", pageId), from);
export const entries = (page: Page) => page.locator("button.entry");
export const bubbles = (page: Page) => page.locator(".message .text");

export async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let n = 0; n < 30; n++) {
    if (await target.evaluate((e) => e === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error("not reached with the Tab key");
}
