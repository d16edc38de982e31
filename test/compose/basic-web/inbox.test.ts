import { describe, expect, it } from "vitest";
import { bubbles, conversationOf, entries, executable, tabTo, useDesk } from "./desk.ts";

describe.skipIf(executable === null)("the inbox page", () => {
  const desk = useDesk();

  it("says what to do while there is nothing", async () => {
    const page = await desk.live();
    await expect.poll(() => page.locator("nav").innerText()).toContain('airy trigger message --text "hello"');
    expect(await page.locator("nav").innerText()).toContain("No messages yet");
    expect(desk.complaints).toEqual([]);
  });

  it("shows a message the moment it arrives: name, text, channel, unread count, and the count in the title", async () => {
    const page = await desk.live();
    await desk.write("hello there");
    await entries(page).first().waitFor();
    const text = await entries(page).first().innerText();
    expect(text).toContain("Facebook ");
    expect(text).toContain("hello there");
    expect(text).toContain("Test Page");
    await expect.poll(() => page.locator(".unread").first().innerText()).toContain("1");
    await desk.write("and again");
    await expect.poll(() => page.locator(".unread").first().innerText()).toContain("2");
    await expect.poll(() => page.title()).toBe("(2) Airy inbox");
    expect(await page.locator("nav .hint").count()).toBe(0);
  });

  it("puts the conversation with the newest message first", async () => {
    const page = await desk.live();
    await desk.write("from one", "2001");
    await desk.write("from two", "2002");
    await expect.poll(() => page.locator(".last").allInnerTexts()).toEqual(["from two", "from one"]);
    await desk.write("one again", "2001");
    await expect.poll(() => page.locator(".last").allInnerTexts()).toEqual(["one again", "from two"]);
  });

  it("opens a conversation, which reads it, here and on the platform", async () => {
    await desk.write("first");
    await desk.write("second");
    const page = await desk.live();
    await entries(page).first().click();
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["first", "second"]);
    await expect.poll(() => page.title()).toBe("Airy inbox");
    await expect.poll(async () => (await desk.platform.call("/conversations.list", {})).json.data[0].metadata.unread_count).toBe(0);
    await desk.write("third");
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["first", "second", "third"]);
    await expect.poll(async () => (await desk.platform.call("/conversations.list", {})).json.data[0].metadata.unread_count).toBe(0);
    expect(desk.complaints).toEqual([]);
  });

  it("sends with Enter, breaks the line with Shift+Enter, and says that the reply is pending", async () => {
    await desk.write("question");
    const graphCall = desk.platform.graph.next("/me/messages");
    // Facebook's answer stays away, so that the page goes on saying "pending".
    desk.platform.graph.onSend = () => "hang";
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    await bubbles(page).first().waitFor();
    const box = page.getByRole("textbox");
    await box.pressSequentially("line one");
    await box.press("Shift+Enter");
    await box.pressSequentially("line two");
    await box.press("Enter");
    expect(await box.inputValue()).toBe("");
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["question", "line one\nline two"]);
    await expect.poll(() => page.locator(".ours .meta").innerText()).toContain("pending");
    expect((await graphCall).body).toMatchObject({ recipient: { id: "2002" }, message: { text: "line one\nline two" } });
    // Or the platform would wait for the answer when it closes.
    await desk.platform.graph.close();
  });

  it("says delivered when it is", async () => {
    await desk.write("question");
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    await page.getByRole("textbox").fill("answer");
    await page.getByRole("button", { name: "Send" }).click();
    await expect.poll(() => page.locator(".ours .meta").innerText()).toContain("delivered");
    expect(await page.locator(".ours").count()).toBe(1);
    await expect.poll(() => page.locator(".last").first().innerText()).toBe("You: answer");
  });

  it("shows why Facebook refused a reply, also after a reload", async () => {
    await desk.write("question");
    desk.platform.graph.onSend = () => ({
      status: 400,
      body: { error: { message: "(#10) Outside of allowed window", type: "OAuthException", code: 10 } },
    });
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    await page.getByRole("textbox").fill("too late");
    await page.getByRole("textbox").press("Enter");
    await expect.poll(() => page.locator(".ours .failed").innerText()).toContain("Outside of allowed window");
    await page.reload();
    await expect.poll(() => page.locator(".ours .failed").innerText()).toContain("Outside of allowed window");
  });

  it("keeps a reply that the platform did not take, and sends it again on demand", async () => {
    await desk.write("question");
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    await bubbles(page).first().waitFor();
    await page.route("**/messages.send", (route) => route.abort());
    await page.getByRole("textbox").fill("do not lose me");
    await page.getByRole("textbox").press("Enter");
    await expect.poll(() => page.locator(".ours .failed").innerText()).toContain("not sent");
    expect(await page.locator(".ours .text").innerText()).toBe("do not lose me");
    await page.unroute("**/messages.send");
    await page.getByRole("button", { name: "Send again" }).click();
    await expect.poll(() => page.locator(".ours .meta").allInnerTexts()).toEqual([expect.stringContaining("delivered")]);
  });

  it("begins at the newest message and reads older ones when scrolled up", async () => {
    for (let n = 1; n <= 75; n++) await desk.write(`message ${n}`);
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    const scroller = page.locator(".scroller");
    await page.getByText("message 75", { exact: true }).and(page.locator(".text")).waitFor();
    await expect.poll(() => scroller.evaluate((e) => Math.round(e.scrollTop))).toBe(0);
    const before = await bubbles(page).count();
    expect(before).toBeLessThan(75);
    await expect
      .poll(async () => {
        await scroller.evaluate((e) => e.scrollTo(0, -e.scrollHeight));
        return bubbles(page).count();
      })
      .toBe(75);
    expect(await bubbles(page).allInnerTexts()).toEqual(Array.from({ length: 75 }, (_, i) => `message ${i + 1}`));
  });

  it("reads further conversations when the list is scrolled to its end", async () => {
    await Promise.all(Array.from({ length: 60 }, (_, n) => desk.write(`hello ${n}`, `30${n}`)));
    const page = await desk.live();
    await entries(page).first().waitFor();
    await expect
      .poll(async () => {
        await page.locator(".rows").evaluate((e) => e.scrollTo(0, e.scrollHeight));
        return page.locator(".rows li").last().getAttribute("aria-posinset");
      })
      .toBe("60");
    // However long the list: only what is in sight, and a little around it, exists.
    expect(await entries(page).count()).toBeLessThan(40);
  });

  it("says on a phone too that the connection is lost", async () => {
    await desk.write("before");
    const page = await desk.live({ viewport: { width: 375, height: 667 } }, `#${conversationOf("2002")}`);
    await bubbles(page).first().waitFor();
    expect(await page.locator(".banner").count()).toBe(0);
    await desk.platform.restart();
    await expect.poll(() => page.locator("main .banner").innerText()).toContain("airy status");
    expect(await page.getByRole("textbox").isVisible()).toBe(true);
  });

  it("says that the connection is lost, comes back by itself, and catches up on what it missed", async () => {
    await desk.write("before", "2001");
    const page = await desk.live({}, `#${conversationOf("2001")}`);
    await bubbles(page).first().waitFor();
    // What was committed while nobody was listening has to come from the API.
    const { port } = desk.platform;
    const down = page.locator(".page.lost").waitFor();
    await desk.platform.restart({ listen: { host: "127.0.0.1", port } });
    await down;
    await desk.write("while away", "2001");
    await desk.write("a new one while away", "2009");
    await page.locator(".page.live").waitFor();
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["before", "while away"]);
    await expect.poll(() => entries(page).count()).toBe(2);
  });

  it("says so when the platform does not answer, and tries again on demand", async () => {
    const page = await desk.live();
    await page.route("**/conversations.list", (route) => route.abort());
    await page.reload();
    const notice = page.getByRole("alert");
    await expect.poll(() => notice.innerText()).toContain("The platform does not answer.");
    expect(await notice.innerText()).toContain("airy status");
    await page.unroute("**/conversations.list");
    await notice.getByRole("button", { name: "Try again" }).click();
    await expect.poll(() => page.locator("nav").innerText()).toContain("No messages yet");
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  it("works with the keyboard alone", async () => {
    await desk.write("from one", "2001");
    await desk.write("from two", "2002");
    const page = await desk.live();
    await entries(page).nth(1).waitFor();
    await tabTo(page, entries(page).first());
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["from one"]);
    for (let n = 0; n < 12; n++) {
      if (await page.getByRole("textbox").evaluate((e) => e === document.activeElement)) break;
      await page.keyboard.press("Tab");
    }
    await page.keyboard.type("typed");
    await page.keyboard.press("Enter");
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["from one", "typed"]);
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator(".thread").count()).toBe(0);
  });

  it("shows one thing at a time on a phone, and nothing is cut off", async () => {
    await desk.write(`a word ${"w".repeat(200)} that is long`, "2002");
    const page = await desk.live({ viewport: { width: 320, height: 600 } });
    await entries(page).first().click();
    await bubbles(page).first().waitFor();
    expect(await page.locator("nav").isVisible()).toBe(false);
    expect(await page.getByRole("textbox").isVisible()).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
    await page.getByRole("button", { name: "Back" }).click();
    await expect.poll(() => page.locator("nav").isVisible()).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
  });

  it("follows the reader's choice of light and dark", async () => {
    const brightness = async (colorScheme: "light" | "dark") => {
      const page = await desk.live({ colorScheme });
      return page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)?.[0]));
    };
    expect(await brightness("light")).toBeGreaterThan(200);
    expect(await brightness("dark")).toBeLessThan(60);
  });

  it("shows files and pressed buttons, runs nothing of what strangers write, and never makes a link of anything but http", async () => {
    const attachment = (mid: string, type: string, url: string) => ({ message: { mid, attachments: [{ type, payload: { url } }] } });
    await desk.deliver(
      { rest: attachment("a1", "image", "https://pictures.invalid/picture.png") },
      { rest: attachment("a2", "file", "https://pictures.invalid/paper.pdf?oe=1") },
      { rest: attachment("a3", "file", "javascript:alert(1)") },
      { rest: { postback: { mid: "a4", title: "Get started", payload: "GO" } } },
      { rest: { message: { mid: "a5", text: "<img src=x onerror=alert(1)> \u202egnp.exe" } } },
      { rest: { message: { mid: "a6", text: "w".repeat(100_000) } } },
    );
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    await expect.poll(() => page.locator(".message").count()).toBe(6);
    // The picture cannot be had through the platform, and is not asked for elsewhere; what is left is a way to it.
    await expect.poll(() => page.locator(".message img").count()).toBe(0);
    const links = await page.locator(".message a").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
    expect(links).toEqual(["https://pictures.invalid/picture.png", "https://pictures.invalid/paper.pdf?oe=1"]);
    const text = await page.locator(".messages").innerText();
    for (const part of ["Get started", "<img src=x onerror=alert(1)>", "paper.pdf", "Show all 100,000 characters"])
      expect(text).toContain(part);
    expect(text.length).toBeLessThan(10_000);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(1100);
    expect(desk.complaints).toEqual([]);
  });
});
