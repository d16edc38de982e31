import { array, assert, asyncProperty, constantFrom, oneof, property, string } from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FilterError, parseFilter } from "../../../compose/basic/src/api/filter.ts";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { TestPlatform } from "./fixture.ts";
import { delivery, pageId, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;

const channel = airyId("facebook", pageId);
const names = ["Ada Lovelace", "Grace Hopper", "50% off_shop", "Anna  van Dyk"];
const ids = names.map((_, index) => airyId(channel, `40${index}`));

beforeAll(async () => {
  postgres = await startPostgres({ sync: false });
  platform = await startTestPlatform(await postgres.createDatabase());
  await platform.connect();
  for (const [index, name] of names.entries()) {
    await platform.deliver(delivery([textEvent(`m_${index}`, "hi", { from: `40${index}`, at: 1_700_000_000_000 + index })]));
    await platform.call("/conversations.update-contact", { conversation_id: ids[index], display_name: name });
  }
  await platform.call("/conversations.mark-read", { conversation_id: ids[0] });
  await platform.call("/conversations.set-state", { conversation_id: ids[1], state: "CLOSED" });
});
afterAll(async () => {
  await platform.close();
  await postgres.close();
});

/** Indexes of what was found, as text. */
async function find(filters: string): Promise<string> {
  const { status, json } = await platform.call("/conversations.list", { filters, page_size: 50 });
  if (status !== 200) return `${status} ${json.message}`;
  expect(json.pagination_data.total).toBe(json.data.length);
  const found = (json.data as { id: string }[]).map((one) => ids.indexOf(one.id));
  return found.toSorted((x, y) => x - y).join("");
}

test.each([
  ["id:*", "0123"],
  ["display_name:ada", "0"],
  ["display_name:ADA", "0"],
  ["display_name:ad", ""],
  ["display_name:ad*", "0"],
  ["display_name:*o*", "012"],
  ["display_name:?da", "0"],
  ["display_name:l*e", "0"],
  ['display_name:"ada love"', ""],
  ['display_name:"anna van"', "3"],
  ["display_name:50%", "2"],
  ["display_name:*%*", "2"],
  ["display_name:*f_s*", "2"],
  [String.raw`display_name:*\**`, ""],
  ["display_name:(ada OR grace)", "01"],
  ["display_name:(ada AND grace)", ""],
  ["display_name:(ada AND lovelace)", "0"],
  ["display_name:ada display_name:grace", "01"],
  ["display_name:ada && unread_count:0", "0"],
  ["display_name:ada || display_name:hopper^2", "01"],
  ["id:* AND NOT display_name:ada", "123"],
  ["id:* AND -display_name:ada", "123"],
  ["id:* !display_name:ada", "123"],
  ["+id:* -metadata.state:CLOSED", "023"],
  ["NOT display_name:ada", ""],
  ["id:* AND (display_name:ada OR display_name:grace) AND NOT metadata.state:closed", "0"],
  ["unread_count:[1 TO *]", "123"],
  ["unread_count:{0 TO 5]", "123"],
  ["unread_count:[* TO 0]", "0"],
  ["unread_count:[0 TO 1}", "0"],
  ["created_at:[1700000000001 TO 1700000000002]", "12"],
  ["created_at:*", "0123"],
  ["display_name:[a TO b]", "03"],
  ["metadata.contact.display_name:grace", "1"],
  ["metadata.state:*", "1"],
  ["source:face*", "0123"],
  ["channel_id:nonsense", ""],
  ["no_such_field:1", ""],
  ["metadata.no.such:1", ""],
  ["tag_ids:*", ""],
  ["unread_count:-1", `400 Failed to parse Lucene query: Cannot parse 'unread_count:-1': Encountered "-1" at line 1, column 13.`],
  ["unread_count:abc", `400 Failed to parse Lucene query: Could not parse query value "abc" for number format`],
])("%s", async (filters, expected) => {
  expect(await find(filters)).toBe(expected);
});

test("an id finds its conversation, in any case, and in the default field", async () => {
  expect(await find(ids[2]!)).toBe("2");
  expect(await find(`id:${ids[2]!.toUpperCase()}`)).toBe("2");
  expect(await find(`id:${ids[2]!.slice(0, 8)}*`)).toBe("2");
});

describe("what is no query is 400 in Lucene's words", () => {
  test.each([
    "(",
    "a AND",
    "AND a",
    "display_name:",
    "[1 TO",
    "unread_count:[1 2]",
    '"open',
    "a:b:c",
    "()",
    "a)",
    "\\",
    "name:~x",
    "/re/",
    "{}",
    ":",
  ])("%s", async (filters) => {
    const { status, json } = await platform.call("/conversations.list", { filters });
    expect([status, json.message]).toEqual([400, expect.stringMatching(/^Failed to parse Lucene query: /)]);
  });

  test("too long, too deep, too many", async () => {
    for (const filters of ["a".repeat(20_000), `${"(".repeat(500)}a${")".repeat(500)}`, "a ".repeat(2_000)]) {
      expect((await platform.call("/conversations.list", { filters })).status).toBe(400);
    }
  });
});

test("no text whatever makes the parser throw anything else, or the list answer anything but 200 and 400", async () => {
  const bits = constantFrom(
    "id",
    "display_name",
    "unread_count",
    "tag_ids",
    ":",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    " TO ",
    " AND ",
    " OR ",
    " NOT ",
    "*",
    "?",
    '"',
    "\\",
    "'",
    "--",
    ";",
    "%",
    "$1",
    "\0",
    "ä",
    "1",
    "-",
    "+",
    "!",
  );
  const query = oneof(
    string({ unit: "binary" }),
    array(bits, { maxLength: 20 }).map((all) => all.join("")),
  );
  assert(
    property(query, (text) => {
      try {
        parseFilter(text);
      } catch (error) {
        expect(error).toBeInstanceOf(FilterError);
      }
    }),
    { numRuns: 2_000 },
  );
  await assert(
    asyncProperty(query, async (filters) => {
      expect([200, 400]).toContain((await platform.call("/conversations.list", { filters })).status);
    }),
    { numRuns: 200 },
  );
});
