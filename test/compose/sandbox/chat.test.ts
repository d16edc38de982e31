/** The chat page in a real browser: being the customer. */
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type BuiltInbox, buildChat, findBrowser, launchBrowser } from "../../support/browser.ts";
import { type Received, type Receiver, platformLike, startReceiver } from "./receiver.ts";
import { type Json, type StandIn, commandToken, page as pageConfig, startStandIn } from "./stand-in.ts";

const executable = findBrowser();
const fields = ["messages", "messaging_postbacks", "message_echoes", "message_reactions", "message_edits", "message_reads"];
const widthOf = (image: unknown) => (image as { naturalWidth: number }).naturalWidth;
const patience = { timeout: 30_000 };

describe.skipIf(executable === null)("the chat page", { timeout: 120_000 }, () => {
  let browser: Browser;
  let built: BuiltInbox;
  let standIn: StandIn;
  let receiver: Receiver;
  let tab: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    built = await buildChat();
    browser = await launchBrowser(executable ?? "");
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await built[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    standIn = await startStandIn({ chatDir: built.dir });
    receiver = await startReceiver(platformLike("right-token"));
    await standIn.subscribe(`${receiver.url}/facebook`, "right-token", fields);
    tab = await browser.newPage({ viewport: { width: 1100, height: 820 } });
    tab.setDefaultTimeout(30_000);
    complaints.length = 0;
    tab.on("pageerror", (error) => complaints.push(error.message));
    tab.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  }, 60_000);
  afterEach(async () => {
    const shots = process.env["AIRY_TEST_SHOTS"];
    if (shots) await tab.screenshot({ path: `${shots}/chat-${expect.getState().currentTestName?.replaceAll(/\W+/g, "-").slice(-60)}.png` });
    await tab.close();
    await standIn.close();
    await receiver.close();
  }, 60_000);

  const open = (hash = `#token=${commandToken}`) => tab.goto(`${standIn.url}/chat${hash}`);
  const bubbles = () => tab.locator(".bubble").allInnerTexts();
  const box = () => tab.getByRole("textbox", { name: "Message" });
  const isEvent = (member: string) => (request: Received) => request.method === "POST" && request.body.includes(`"${member}":`);
  const arrived = async (member: string, n = 0): Promise<Json> => {
    const { body } = await receiver.nth(n, isEvent(member));
    return JSON.parse(body.toString()).entry[0].messaging[0] as Json;
  };
  const say = (message: Json) =>
    standIn.call("POST", "/v26.0/me/messages", pageConfig.token, { recipient: { id: "24000000000000001" }, message });

  it("writes as the customer, shows what the page sends, and that it types and has seen", async () => {
    await open();
    await tab.locator(".entry[aria-current]").filter({ hasText: "Ada Berg" }).waitFor();
    expect(tab.url()).not.toContain(commandToken);
    await box().fill("Do you have the blue one?");
    await box().press("Enter");
    expect(await arrived("message")).toMatchObject({ sender: { id: "24000000000000001" }, message: { text: "Do you have the blue one?" } });
    await tab.locator(".mine .acknowledged").waitFor();

    await standIn.call("POST", "/me/messages", pageConfig.token, { recipient: { id: "24000000000000001" }, sender_action: "mark_seen" });
    await tab.getByText("Seen by Sandbox Page").waitFor();
    await standIn.call("POST", "/me/messages", pageConfig.token, { recipient: { id: "24000000000000001" }, sender_action: "typing_on" });
    await tab.locator(".typing").waitFor();
    expect((await say({ text: "Yes, in M and L." })).status).toBe(200);
    await expect.poll(bubbles, patience).toEqual(["Do you have the blue one?", "Yes, in M and L."]);
    await expect.poll(() => tab.locator(".typing").count(), patience).toBe(0);
    // Whoever looks has read it.
    expect(await arrived("read")).toMatchObject({ read: { watermark: expect.any(Number) } });
    expect(complaints).toEqual([]);
  });

  it("presses buttons of templates and quick replies", async () => {
    await open();
    await box().fill("hello");
    await box().press("Enter");
    await arrived("message");
    const buttons = [
      { type: "postback", title: "Order", payload: "ORDER_7" },
      { type: "web_url", title: "Look", url: "https://shop.example/7" },
    ];
    const elements = [{ title: "Blue jumper", subtitle: "39 EUR", image_url: `${standIn.url}/pictures/picture.svg`, buttons }];
    expect((await say({ attachment: { type: "template", payload: { template_type: "generic", elements } } })).status).toBe(200);
    await tab.getByRole("button", { name: "Order" }).click();
    expect(await arrived("postback")).toMatchObject({ postback: { title: "Order", payload: "ORDER_7" } });
    await expect.poll(() => tab.locator(".card img").evaluate(widthOf), patience).toBeGreaterThan(0);

    await say({
      text: "Which size?",
      quick_replies: ["M", "L"].map((title) => ({ content_type: "text", title, payload: `SIZE_${title}` })),
    });
    await tab.getByRole("group", { name: "Quick replies" }).getByRole("button", { name: "L" }).click();
    expect(await arrived("quick_reply")).toMatchObject({ message: { text: "L", quick_reply: { payload: "SIZE_L" } } });
    await expect.poll(() => tab.getByRole("group", { name: "Quick replies" }).count(), patience).toBe(0);
    expect(complaints).toEqual([]);
  });

  it("reacts, corrects, takes back, and sends pictures and stickers", async () => {
    await open();
    await box().fill("We are 3");
    await box().press("Enter");
    await tab.locator(".mine .acknowledged").waitFor();
    const more = () => tab.getByRole("button", { name: "More about this message" }).last();
    await more().click();
    await tab.getByRole("button", { name: "React with 👍" }).click();
    expect(await arrived("reaction")).toMatchObject({ reaction: { action: "react", emoji: "👍", reaction: "like" } });
    await tab.locator(".reactions").filter({ hasText: "👍" }).waitFor();

    await more().click();
    await tab.getByRole("button", { name: "Correct" }).click();
    await tab.getByRole("textbox", { name: "Corrected text" }).fill("We are 4");
    await tab.getByRole("button", { name: "Correct" }).click();
    expect(await arrived("message_edit")).toMatchObject({ message_edit: { text: "We are 4", num_edit: 1 } });
    await expect.poll(bubbles, patience).toEqual(["We are 4"]);

    await tab.getByRole("button", { name: "Send a sticker" }).click();
    await tab.locator("img.sticker").waitFor();
    const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
    await tab.locator('input[type="file"]').setInputFiles({ name: "dot.png", mimeType: "image/png", buffer: png });
    await expect.poll(() => tab.locator("img.picture").evaluate(widthOf), patience).toBe(1);
    expect(await arrived("attachments", 1)).toMatchObject({
      message: { attachments: [{ type: "image", payload: { url: expect.stringMatching(/\/files\/\w{32}\/dot\.png$/) } }] },
    });

    await more().click();
    await tab.getByRole("button", { name: "Take back" }).click();
    expect(await arrived("is_deleted")).toMatchObject({ message: { is_deleted: true } });
    await tab.getByText("You took this message back").waitFor();
    expect(complaints).toEqual([]);
  });

  it("says why nobody hears, gives the text back, and adds customers", async () => {
    await standIn.call("DELETE", "/me/subscribed_apps", pageConfig.token);
    await open();
    await box().fill("hello?");
    await box().press("Enter");
    await tab.getByRole("alert").filter({ hasText: "The page is not subscribed to the app" }).waitFor();
    await expect.poll(() => box().inputValue(), patience).toBe("hello?");
    await tab.getByRole("textbox", { name: "Name of a new customer" }).fill("Zoe Quist");
    await tab.getByRole("button", { name: "Add", exact: true }).click();
    await tab.locator(".entry[aria-current]").filter({ hasText: "Zoe Quist" }).waitFor();
  });

  it("opens for its token alone, keeps it over a reload, and shows markup as text", async () => {
    await open("");
    await tab.getByText("airy open chat").waitFor();
    await tab.goto("about:blank");
    await open();
    await box().fill("<img src=x onerror=alert(1)>");
    await box().press("Enter");
    await expect.poll(bubbles, patience).toEqual(["<img src=x onerror=alert(1)>"]);
    await tab.reload();
    await expect.poll(bubbles, patience).toEqual(["<img src=x onerror=alert(1)>"]);
  });

  it("is one column on a phone", async () => {
    await tab.setViewportSize({ width: 390, height: 780 });
    await open();
    await tab.locator(".entry").filter({ hasText: "Bo Costa" }).click();
    await box().waitFor();
    expect(await tab.locator("nav").isVisible()).toBe(false);
    await box().fill("on the way");
    await box().press("Enter");
    await tab.locator(".mine .acknowledged").waitFor();
    expect(await tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
    await tab.getByRole("button", { name: "Back to the customers" }).click();
    await tab.locator("nav").waitFor();
  });
});
