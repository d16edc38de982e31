/** What a person does in the inbox all day, on the real platform. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { app, eventually } from "../basic/fixture.ts";
import { bubbles, conversationOf, entries, executable, useDesk } from "./desk.ts";

const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const names = (page: Page) => page.locator(".entry .name").allInnerTexts();

describe.skipIf(executable === null)("work in the inbox", () => {
  const desk = useDesk();

  /** Three customers have written: Ada, Bo and Cy, in this order. */
  async function three(): Promise<void> {
    for (const [id, name] of [
      ["2001", "Ada Lovelace"],
      ["2002", "Bo Ek"],
      ["2003", "Cy Twombly"],
    ] as const) {
      await desk.write(`hello from ${name}`, id);
      const body = { conversation_id: conversationOf(id), display_name: name };
      expect((await desk.platform.call("/conversations.update-contact", body)).status).toBe(204);
    }
  }

  it("finds by name, by what is unread, open or closed, and says when there is nothing like it", async () => {
    await three();
    await desk.platform.call("/conversations.mark-read", { conversation_id: conversationOf("2001") });
    const page = await desk.live();
    await expect.poll(() => names(page)).toEqual(["Cy Twombly", "Bo Ek", "Ada Lovelace"]);
    await page.getByRole("searchbox").fill("love ada");
    await expect.poll(() => names(page)).toEqual(["Ada Lovelace"]);
    await page.getByRole("searchbox").fill('(")');
    await expect.poll(() => page.locator("nav").innerText()).toContain("Nobody here is called");
    await page.getByRole("button", { name: "Show all conversations" }).click();
    await expect.poll(() => names(page)).toHaveLength(3);
    await page.getByRole("button", { name: "Unread", exact: true }).click();
    await expect.poll(() => names(page)).toEqual(["Cy Twombly", "Bo Ek"]);
    await page.getByRole("button", { name: "Unread", exact: true }).click();

    await entries(page).nth(1).click();
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await expect.poll(() => names(page)).toHaveLength(3);
    await page.locator("main").getByRole("button", { name: "Close" }).click();
    await expect.poll(() => names(page)).toEqual(["Cy Twombly", "Ada Lovelace"]);
    await page.getByRole("button", { name: "Closed", exact: true }).click();
    await expect.poll(() => names(page)).toEqual(["Bo Ek"]);
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(() => names(page)).toEqual([]);
    const info = await desk.platform.call("/conversations.info", { conversation_id: conversationOf("2002") });
    expect(info.json.metadata.state).not.toBe("CLOSED");
    expect(desk.complaints).toEqual([]);
  });

  it("tags with colours, filters by them, changes and deletes them, and shows at once what others do", async () => {
    await three();
    const page = await desk.live({ viewport: { width: 1300, height: 800 } }, `#${conversationOf("2002")}`);
    const panel = page.getByRole("complementary", { name: "Contact" });
    await panel.getByRole("button", { name: "New tag" }).click();
    await panel.getByRole("textbox", { name: "Name of the tag" }).fill("vip");
    await panel.getByRole("radio", { name: "red" }).check();
    await panel.getByRole("button", { name: "Add" }).click();
    await expect.poll(() => page.locator(".entry .tag.tag-red").allInnerTexts()).toEqual(["vip"]);
    await page.getByRole("button", { name: /^Filters/ }).click();
    await page.getByRole("checkbox", { name: "vip" }).check();
    await expect.poll(() => names(page)).toEqual(["Bo Ek"]);

    // A colleague tags another conversation.
    const { json: tags } = await desk.platform.call("/tags.list");
    const other = { conversation_id: conversationOf("2001"), tag_id: tags.data[0].id };
    expect((await desk.platform.call("/conversations.tag", other)).status).toBe(204);
    await expect.poll(() => names(page)).toEqual(["Bo Ek", "Ada Lovelace"]);
    await panel.getByRole("button", { name: "vip", pressed: true }).click();
    await expect.poll(() => names(page)).toEqual(["Ada Lovelace"]);
    await panel.getByRole("button", { name: "Change tags" }).click();
    await panel.getByRole("button", { name: "Change vip" }).click();
    await panel.getByRole("textbox").fill("partner");
    await panel.getByRole("button", { name: "Save" }).click();
    await expect.poll(() => page.locator(".entry .tag").allInnerTexts()).toEqual(["partner"]);
    await panel.getByRole("button", { name: "Delete partner" }).click();
    await panel.getByRole("button", { name: "Delete it everywhere" }).click();
    await expect.poll(() => page.locator(".entry .tag").count()).toBe(0);
    expect((await desk.platform.call("/tags.list")).json.data).toEqual([]);
    expect(desk.complaints).toEqual([]);
  });

  it("renames a contact, and keeps the name when the next message comes", async () => {
    await desk.write("hello", "2001");
    const page = await desk.live({ viewport: { width: 1300, height: 800 } }, `#${conversationOf("2001")}`);
    await page.getByRole("button", { name: "Change the name" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("Ada \u202eLovelace");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await expect.poll(() => names(page)).toEqual(["Ada Lovelace"]);
    await desk.write("again", "2001");
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["hello", "again"]);
    expect(await names(page)).toEqual(["Ada Lovelace"]);
  });

  it("answers with saved replies, and sends again what Facebook refused, with the reason in sight", async () => {
    await desk.write("When do you open?");
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    const reply = page.getByRole("textbox", { name: /^Reply/ });
    await reply.fill("We open at nine.");
    await page.getByRole("button", { name: "Saved replies" }).click();
    await page.getByRole("textbox", { name: "Name for what is written" }).fill("Opening");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByRole("button", { name: /^Opening/ }).waitFor();
    await reply.fill("Hello!");
    await page.getByRole("button", { name: /^Opening/ }).click();
    expect(await reply.inputValue()).toBe("Hello! We open at nine.");

    desk.platform.graph.onSend = () => ({ status: 400, body: { error: { message: "(#10) Outside of allowed window", code: 10 } } });
    await reply.press("Enter");
    await expect.poll(() => page.locator(".ours .failed").innerText()).toContain("Outside of allowed window");
    desk.platform.graph.onSend = () => ({ status: 200, body: { recipient_id: "2002", message_id: "m_again" } });
    await page.getByRole("button", { name: "Send again" }).click();
    await expect.poll(() => page.locator(".ours .meta").allInnerTexts()).toEqual([expect.stringContaining("delivered")]);
    expect(await page.locator(".ours .text").allInnerTexts()).toEqual(["Hello! We open at nine."]);
  });

  it("sends a file, shows it, and says why one was not taken", async () => {
    await desk.write("Have you a picture?");
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    const file = page.getByLabel("File to send");
    await file.setInputFiles({ name: "vase.png", mimeType: "image/png", buffer: png });
    await expect.poll(() => page.locator(".ours .meta").allInnerTexts()).toEqual([expect.stringContaining("delivered")]);
    await expect.poll(() => page.locator(".ours img").evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1);
    await page.route("**/media.upload", (route) => route.fulfill({ status: 413, json: { message: "the file is larger than 25 MB" } }));
    await file.setInputFiles({ name: "film.mp4", mimeType: "video/mp4", buffer: png });
    await expect.poll(() => page.getByRole("alert").allInnerTexts()).toEqual(["film.mp4 was not sent. the file is larger than 25 MB"]);
    expect(desk.complaints).toEqual([]);
  });

  it("lets a person answer after the 24 hours, where Facebook allows that", async () => {
    await desk.write("hello");
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    const error = { message: "(#10) This message is sent outside of allowed window.", code: 10, error_subcode: 2_018_278 };
    desk.platform.graph.onSend = () => ({ status: 400, body: { error } });
    const reply = page.getByRole("textbox", { name: /^Reply/ });
    await reply.fill("Sorry, I was ill");
    await reply.press("Enter");
    await expect.poll(() => page.locator(".ours .failed").innerText()).toContain("Human Agent");
    desk.platform.graph.onSend = ({ body }) => ({ status: 200, body: { recipient_id: "2002", message_id: (body as { tag: string }).tag } });
    await page.getByRole("button", { name: "Send as a person" }).click();
    await expect.poll(() => page.locator(".ours .meta").allInnerTexts()).toEqual([expect.stringContaining("delivered")]);
  });

  it("asks for the token once where the API has one, and then is as without", async () => {
    await desk.write("hello");
    await desk.platform.restart({ apiToken: "open sesame" });
    const page = await desk.open();
    await expect.poll(() => new URL(page.url()).pathname).toBe("/login");
    const field = page.locator("input[type=password]");
    await field.fill("wrong");
    await field.press("Enter");
    await expect.poll(() => page.locator("body").innerText()).toMatch(/token/i);
    expect(new URL(page.url()).pathname).toBe("/login");
    await page.locator("input[type=password]").fill("open sesame");
    await page.locator("input[type=password]").press("Enter");
    await page.locator(".page.live").waitFor({ state: "attached" });
    await entries(page).first().click();
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["hello"]);
    await page.reload();
    await page.locator(".page.live").waitFor({ state: "attached" });
    expect(desk.complaints).toEqual([]);
  });

  it("goes by J and K, closes by E, and says its keys", async () => {
    await three();
    const page = await desk.live();
    await page.keyboard.press("j");
    await expect.poll(() => page.locator(".title h1").innerText()).toContain("Cy");
    await page.keyboard.press("j");
    await expect.poll(() => page.locator(".title h1").innerText()).toContain("Bo");
    await page.keyboard.press("k");
    await expect.poll(() => page.locator(".title h1").innerText()).toContain("Cy");
    await page.keyboard.press("e");
    await expect
      .poll(async () => (await desk.platform.call("/conversations.list", { filters: "metadata.state:CLOSED" })).json.data.length)
      .toBe(1);
    await page.keyboard.press("?");
    await expect.poll(() => page.getByRole("dialog").innerText()).toContain("next and previous conversation");
  });

  it("names the workspace, and counts what is unread, in the title and in the icon", async () => {
    await desk.platform.restart({ workspace: "nordwind" });
    const page = await desk.live();
    await expect.poll(() => page.title()).toBe("nordwind");
    const icon = () => page.locator("link[rel=icon]").getAttribute("href");
    expect(decodeURIComponent((await icon()) ?? "")).toContain(">N</text>");
    const plain = await icon();
    await desk.write("hello");
    await expect.poll(() => page.title()).toBe("(1) nordwind");
    expect(await icon()).not.toBe(plain);
    expect(desk.complaints).toEqual([]);
  });

  it("keeps what was begun, in the conversation in which it was begun", async () => {
    await three();
    const page = await desk.live({}, `#${conversationOf("2001")}`);
    await page.getByRole("textbox", { name: /^Reply/ }).fill("half a sen");
    await page.keyboard.press("Escape");
    await page.keyboard.press("k");
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["hello from Bo Ek"]);
    expect(await page.getByRole("textbox", { name: /^Reply/ }).inputValue()).toBe("");
    await page.keyboard.press("j");
    await expect.poll(() => page.getByRole("textbox", { name: /^Reply/ }).inputValue()).toBe("half a sen");
  });

  it("shows edits, take-backs, reactions and answers as they happen", async () => {
    await desk.deliver({ rest: { message: { mid: "a", text: "We are 3" } } }, { rest: { message: { mid: "b", text: "my card number" } } });
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["We are 3", "my card number"]);
    await desk.deliver({ rest: { message_edit: { mid: "a", text: "We are 4", num_edit: 1 } } });
    await desk.deliver({ rest: { message: { mid: "b", is_deleted: "true" } } });
    await desk.deliver({ rest: { reaction: { mid: "a", action: "react", reaction: "smile" } } });
    await desk.deliver({ rest: { message: { mid: "c", text: "and a dog", reply_to: { mid: "a" } } } });
    await expect.poll(() => bubbles(page).allInnerTexts()).toEqual(["We are 4", "and a dog"]);
    const messages = page.locator(".message");
    await expect.poll(() => messages.first().innerText()).toContain("edited");
    await expect.poll(() => messages.nth(1).innerText()).toContain("unsent");
    await expect.poll(() => page.locator(".reaction").innerText()).toBe("😆");
    expect(await page.locator("button.answers").innerText()).toContain("We are 4");
  });

  it("says which page is not connected while deliveries wait for it", async () => {
    const entry = { id: "777", time: 1, messaging: [{ sender: { id: "1" }, recipient: { id: "777" }, message: { mid: "w", text: "hi" } }] };
    expect((await desk.platform.deliver({ object: "page", entry: [entry] })).status).toBe(200);
    const page = await desk.live();
    await expect.poll(() => page.locator("nav").innerText()).toMatch(/Page 777 is not connected:\s+one delivery waits/);
  });

  it("says that a channel cannot be answered when Facebook takes its token no more", async () => {
    await desk.write("hello");
    desk.platform.graph.onSend = () => ({
      status: 400,
      body: { error: { message: "Error validating access token: the session has been invalidated", code: 190, error_subcode: 460 } },
    });
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    await page.getByRole("textbox", { name: /^Reply/ }).fill("hi");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("main .banner").allInnerTexts()).toEqual([expect.stringContaining("cannot be answered")]);
    await page.reload();
    await expect
      .poll(() => page.locator("main .banner").allInnerTexts())
      .toEqual([expect.stringContaining("session has been invalidated")]);
  });

  it("shows pictures through the platform, and nothing of what only looks like one", async () => {
    const pictures = await startPictures(desk.platform.graph.url);
    await desk.platform.restart({ facebook: { ...app, graphUrl: pictures.url } });
    const picture = (mid: string, path: string) => ({
      rest: { message: { mid, attachments: [{ type: "image", payload: { url: `${pictures.url}${path}` } }] } },
    });
    await desk.deliver(picture("p1", "/pictures/sun.svg"), picture("p2", "/pictures/page.html"));
    const page = await desk.live({}, `#${conversationOf("2002")}`);
    const images = page.locator(".message img");
    await eventually(async () =>
      expect(await images.evaluateAll((all) => all.map((i) => (i as HTMLImageElement).naturalWidth))).toEqual([40]),
    );
    expect(pictures.asked.toSorted()).toEqual(["/pictures/page.html", "/pictures/sun.svg"]);
    expect(desk.complaints).toEqual([]);
    await page.context().close();
    await pictures.close();
  });
});

/** The stand-in's Graph API, with pictures beside it. */
async function startPictures(graphUrl: string) {
  const asked: string[] = [];
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30" fill="gold"/></svg>';
  const server = http.createServer((request, response) => {
    const path = request.url ?? "";
    if (path.startsWith("/pictures/")) {
      asked.push(path);
      response.writeHead(200, { "content-type": path.endsWith(".svg") ? "image/svg+xml" : "text/html" }).end(svg);
      return;
    }
    const { method, headers } = request;
    const onward = http.request(`${graphUrl}${path}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}
