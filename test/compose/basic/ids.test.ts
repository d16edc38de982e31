import { expect, test } from "vitest";
import { airyId } from "../../../compose/basic/src/ids.ts";

test.each([
  ["test", "test", "51abb963-6078-5efb-b888-d8457a7c76f8"],
  ["source", "98ce13ef-5469-4db3-af62-579be61cfaa4", "e5fc97f1-2f2d-53c5-85c7-97a83b17e9ff"],
  ["facebook", "1234567890", "79ef309a-6bfd-5f20-9feb-9337cca173c5"],
  ["79ef309a-6bfd-5f20-9feb-9337cca173c5", "9876543210", "b7fe9b46-eea2-524f-a9ca-d8bb9df7c00c"],
  ["instagram", "17841400000000000", "d60370c8-6c92-589b-924e-f6835d88013a"],
])("id(%s, %s) is Airy Core's", (namespace, name, id) => {
  expect(airyId(namespace, name)).toBe(id);
});
