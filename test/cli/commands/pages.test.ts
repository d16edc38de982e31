import { expect, test } from "vitest";
import { choosePages } from "../../../cli/commands/pages.ts";
import type { OwnPage } from "../../../cli/sources/facebook/accounts.ts";
import type { Asker } from "../../../cli/tui/ask.ts";

const page = (id: string): OwnPage => ({ id, name: `Page ${id}`, token: `token-${id}`, instagramId: null });
const [one, two, three] = ["1", "2", "3"].map(page) as [OwnPage, OwnPage, OwnPage];

/** Somebody who picks these, and what they were shown. */
function picking(ids: string[] | null): { asker: Asker; shown: string[] } {
  const shown: string[] = [];
  const asker: Asker = {
    text: () => Promise.reject(new Error("not asked")),
    confirm: () => Promise.reject(new Error("not asked")),
    select: async ({ options }) => (shown.push(...options.map(({ label }) => label)), ids),
  };
  return { asker, shown };
}

test("the page that was named, or the only one, is not asked for", async () => {
  const nobody = picking(null);
  expect(await choosePages([one, two], "2", nobody.asker)).toEqual([two]);
  expect(await choosePages([one], undefined, nobody.asker)).toEqual([one]);
  expect(nobody.shown).toEqual([]);
});

test("of several, those that are picked; Esc picks none", async () => {
  const { asker, shown } = picking(["3", "1"]);
  expect(await choosePages([one, two, three], undefined, asker)).toEqual([one, three]);
  expect(shown).toEqual(["Page 1 (1)", "Page 2 (2)", "Page 3 (3)"]);
  expect(await choosePages([one, two], undefined, picking(null).asker)).toEqual([]);
});

test.each([
  ["several, and nobody to ask", [one, two], undefined],
  ["another one was named", [one, two], "4711"],
  ["there is none", [], undefined],
])("%s: it is said which there are, with flag and variable", async (_, found, named) => {
  await expect(choosePages(found, named, null)).rejects.toMatchObject({ code: "PAGE_UNCHOSEN" });
});
