import { describe, expect, it } from "vitest";
import { initialUi, reduceUi, type Ui, type UiAction } from "../../../cli/tui/ui.ts";

function play(actions: UiAction[], from: Partial<Ui> = {}): Ui {
  return actions.reduce(reduceUi, { ...initialUi, ...from });
}

const ids = ["c", "b", "a"];

describe("moving", () => {
  it.each<[string, Partial<Ui>, number, Partial<Ui>]>([
    ["down from the newest request", {}, 1, { request: "b" }],
    ["not beyond the last", { request: "a" }, 5, { request: "a" }],
    ["to the top, where the newest is followed", { request: "b" }, -1_000_000, { request: null }],
    ["from a request that is gone", { request: "z" }, 1, { request: "b" }],
    ["among services", { pane: "services" }, 1, { service: "b" }],
    ["back in the logs, where they stay as they are", { pane: "logs" }, -3, { logScroll: 3, logsUntil: 30 }],
    ["not beyond the oldest line", { pane: "logs", logsUntil: 20 }, -1_000_000, { logScroll: 10, logsUntil: 20 }],
    ["to the newest line, which is followed again", { pane: "logs", logScroll: 2, logsUntil: 20 }, 5, { logScroll: 0, logsUntil: null }],
    ["in open details, not beyond their end", { detail: "b" }, 40, { detailScroll: 10 }],
  ])("%s", (_, from, by, expected) => {
    expect(play([{ type: "move", by, ids, limit: 10, total: 30 }], from)).toMatchObject(expected);
  });

  it("in an empty list changes nothing", () => {
    expect(play([{ type: "move", by: 1, ids: [], limit: 0, total: 0 }])).toMatchObject({ request: null });
  });
});

it("filters while it is typed, and Esc takes the filter back", () => {
  const typing = play([
    { type: "pane", pane: "logs" },
    { type: "type", what: "filter", text: "er" },
  ]);
  expect(typing.filter).toEqual({ logs: "er", requests: "" });
  expect(play([{ type: "typed" }], typing)).toMatchObject({ typing: null, filter: { logs: "er" } });
  expect(play([{ type: "close" }], typing)).toMatchObject({ typing: null, filter: { logs: "" } });
});

it("closes one thing at a time, what is in front first", () => {
  const open = { help: true, detail: "a", filter: { logs: "", requests: "x" } };
  const once = play([{ type: "close" }], open);
  expect(once).toMatchObject({ help: false, detail: "a" });
  const twice = play([{ type: "close" }], once);
  expect(twice).toMatchObject({ detail: null, filter: { requests: "x" } });
  expect(play([{ type: "close" }], twice).filter.requests).toBe("");
});

it("picks several services for the log, and takes them back", () => {
  const two = play([
    { type: "toggle", service: "a" },
    { type: "toggle", service: "b" },
  ]);
  expect(two.shown).toEqual(["a", "b"]);
  expect(play([{ type: "toggle", service: "a" }], two).shown).toEqual(["b"]);
});
