import { expect, test } from "vitest";
import { indentJson } from "../../../cli/io/json-text.ts";

test.each(['{"a":1,"b":[true,null,"x"],"c":{}}', "[]", '[{"a":[]},[[1]]]', '"only text"', "-1500", ' {"a" : "b:,{}\\"[]" } '])(
  "%s looks as JSON.stringify would have it",
  (text) => {
    expect(indentJson(text)).toBe(JSON.stringify(JSON.parse(text), null, 2));
  },
);

test("digits, doubled keys and letters stay", () => {
  expect(indentJson('{"id":24012345678901233,"id":1.0,"t":"\\u00e4\\/"}')).toBe(
    '{\n  "id": 24012345678901233,\n  "id": 1.0,\n  "t": "ä/"\n}',
  );
  expect(indentJson("{ half")).toBeNull();
});
