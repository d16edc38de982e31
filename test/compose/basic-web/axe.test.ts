/** The inbox page as people see, hear and touch it: axe's rules in light and dark, on a desk and on a phone. */
import axe from "axe-core";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { bubbles, conversationOf, entries, executable, useDesk } from "./desk.ts";

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run({ resultTypes: ["violations"] });
    return violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .map(({ html }) => html)
          .join(" ")
          .slice(0, 300)}`,
    );
  });
}

describe.skipIf(executable === null)("the inbox page", () => {
  const desk = useDesk();

  it("passes axe in light and dark, on a desk and on a phone, with everything open", async () => {
    desk.platform.graph.onSend = () => ({ status: 400, body: { error: { message: "(#10) Outside of allowed window", code: 10 } } });
    await desk.write("hello", "2001");
    await desk.deliver(
      { rest: { message: { mid: "a1", text: "Look: https://shop.example/jumper" } } },
      { rest: { message: { mid: "a2", text: "and?", reply_to: { mid: "a1" } } } },
      { rest: { message: { mid: "a3", attachments: [{ type: "location", payload: { coordinates: { lat: 1, long: 2 } } }] } } },
      { rest: { message: { mid: "a4", attachments: [{ type: "hologram", payload: { deep: {} } }] } } },
      { rest: { postback: { mid: "a5", title: "Get started", payload: "GO" } } },
    );
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await desk.live({ colorScheme, viewport: { width: 1280, height: 800 } });
      await entries(page).first().waitFor();
      expect(await violations(page)).toEqual([]);
      await entries(page).first().click();
      await bubbles(page).first().waitFor();
      await page.getByRole("button", { name: "Filters" }).click();
      await page.getByRole("textbox", { name: /^Reply/ }).fill("x".repeat(2001));
      await page.getByRole("button", { name: "Saved replies" }).click();
      await page.getByRole("button", { name: "New tag" }).click();
      expect(await violations(page)).toEqual([]);
      await page.getByRole("textbox", { name: /^Reply/ }).fill("too late");
      await page.getByRole("textbox", { name: /^Reply/ }).press("Enter");
      await page.locator(".ours .failed").first().waitFor();
      await page.getByRole("button", { name: "Keyboard" }).click();
      expect(await violations(page)).toEqual([]);
    }
    const phone = await desk.live({ viewport: { width: 390, height: 844 } }, `#${conversationOf("2002")}`);
    await bubbles(phone).first().waitFor();
    expect(await violations(phone)).toEqual([]);
    await phone.getByRole("button", { name: "Contact and tags" }).click();
    expect(await violations(phone)).toEqual([]);
    expect(desk.complaints).toEqual([]);
  });
});
