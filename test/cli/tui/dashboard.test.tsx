import { beforeAll, describe, expect, it } from "vitest";
import { UrlRecord } from "../../../cli/tui/components/record.tsx";
import type { Ui } from "../../../cli/tui/ui.ts";
import { openTunnel, readyStatus, request, type Scenario, scenario } from "../../support/dashboard-events.ts";
import { draw, drawNode, everySize, goldenSizes, sizes, viewOf } from "../../support/frames.tsx";

beforeAll(() => {
  process.env["TZ"] = "UTC";
});

const body = JSON.stringify({ object: "page", entry: [{ id: "1", messaging: [{ message: { text: "Hi" } }] }] });
const detail = {
  requestHeaders: [["content-type", "application/json"] as const, ["x-hub-signature-256", "sha256=0123"] as const],
  requestBody: body,
  responseHeaders: [["content-type", "text/plain"] as const],
  responseBody: "ok",
};

const shown: [name: string, scenario: Scenario, ui: Partial<Ui>][] = [
  ["ready", "ready", {}],
  ["busy", "busy", { request: "r20" }],
  ["waiting", "waiting", { pane: "services", service: "platform" }],
  ["logs", "busy", { pane: "logs", shown: ["platform"], filter: { logs: "facebook", requests: "" } }],
  ["detail", "busy", { detail: "r20" }],
  ["help", "busy", { help: true }],
  ["stopping", "busy", { stopping: true }],
];

describe("golden frames", () => {
  // The two that are seen most, at every size.
  const sizesOf = (name: string) => (name === "ready" || name === "busy" ? everySize : goldenSizes);
  const cases = shown.flatMap(([name, events, ui]) => sizesOf(name).map(([columns, rows]) => [name, columns, rows, events, ui] as const));
  it.each(cases)("%s at %dx%d", async (name, columns, rows, events, ui) => {
    const frame = draw(viewOf(scenario(events).events), columns, rows, { ui, detail });
    await expect(`${frame}\n`).toMatchFileSnapshot(`golden/${name}-${columns}x${rows}.txt`);
  });

  it("waiting without UTF-8", async () => {
    const frame = draw(viewOf(scenario("waiting").events), 80, 24, { utf8: false });
    expect(frame).toMatch(/^[\n\u0020-\u007e]*$/);
    await expect(`${frame}\n`).toMatchFileSnapshot("golden/waiting-ascii-80x24.txt");
  });
});

describe("every frame", () => {
  it.each(sizes)("fits %dx%d, with the keys in it, what is public, and a word for every mark", (columns, rows) => {
    for (const [, events, ui] of shown) {
      const lines = draw(viewOf(scenario(events).events), columns, rows, { ui, detail }).split("\n");
      expect(lines.length).toBeLessThanOrEqual(rows - 1);
      for (const line of lines) expect(line.length).toBeLessThan(columns);
      expect(lines.join("\n")).toContain("only /facebook is public");
      expect(lines.slice(-3).join("\n")).toMatch(/q quit|stop everything|Esc/);
      for (const line of lines.filter((l) => /[✔✘⠙]/u.test(l))) expect(line).toMatch(/[✔✘⠙] \S+/u);
    }
  });

  it("survives a hundred services, long names and hostile text", () => {
    const services = Array.from({ length: 100 }, (_, i) => ({
      name: `s${i}-${"x".repeat(90)}`,
      state: "running" as const,
      health: "healthy" as const,
    }));
    const status = {
      ...readyStatus,
      platform: { url: `http://${"u".repeat(300)}/`, services },
      tunnel: { ...openTunnel, edge: "\u001B[2Jedge" },
    };
    const view = viewOf([
      { type: "ready", status },
      { type: "request", request: request(1, { path: "/\u001B]0;owned\u0007\r\n漢字", method: "\u001B[31m" }) },
      { type: "warning", code: "W", message: "\u001B[3J gone 😀" },
    ]);
    for (const pane of ["services", "requests", "logs"] as const) {
      for (const [columns, rows] of sizes) {
        const hostile = { ...detail, requestBody: `{"a":"\\u001b[2J漢"}`, requestHeaders: [["\u001B[2J", "\u0007"] as const] };
        for (const open of [null, "r1"]) {
          const frame = draw(view, columns, rows, { ui: { pane, detail: open }, detail: hostile });
          expect(frame.split("\n").length).toBeLessThanOrEqual(rows - 1);
          // oxlint-disable-next-line no-control-regex -- the point of the test
          expect(frame).not.toMatch(/[\u0000-\u0009\u000b-\u001f]|漢|😀/u);
        }
      }
    }
  });
});

describe("the public URL", () => {
  it("stands whole on a line of its own", () => {
    const lines = draw(viewOf(scenario("ready").events), 80, 24).split("\n");
    expect(lines.map((l) => l.trim())).toContain("http://abcdefghij.tunnel.localhost:4280/facebook");
  });

  it("stays whole in the record, however narrow the terminal", () => {
    const record = drawNode(<UrlRecord view={viewOf(scenario("ready").events)} />, 2000, 10);
    expect(record).toContain("http://abcdefghij.tunnel.localhost:4280/facebook");
  });
});

it("never shows a query string: verify tokens travel in it", () => {
  const view = viewOf([
    { type: "ready", status: readyStatus },
    { type: "request", request: request(1, { path: "/facebook?hub.verify_token=canary" }) },
  ]);
  for (const ui of [{}, { detail: "r1" }]) {
    expect(draw(view, 200, 50, { ui })).toContain("/facebook?");
    expect(draw(view, 200, 50, { ui })).not.toContain("canary");
  }
});

it("counts deliveries that were not signed by Facebook, and says when the last one came", () => {
  const posts = [200, 401, 401, 200].map((status, i) => ({ type: "request" as const, request: request(i, { status }) }));
  const frame = draw(viewOf([{ type: "ready", status: readyStatus }, ...posts]), 120, 40);
  expect(frame).toContain("last delivery 09:14:05 (200)");
  expect(frame).toContain("2 rejected signatures");
});

it("shows which pages are connected, those that are not well first, and every public path", () => {
  const pages = [
    { source: "facebook", id: "1", name: "Well", state: "ok" as const, reason: null },
    { source: "facebook", id: "2", name: "Ill", state: "broken" as const, reason: "The token expired." },
  ];
  const platform = { ...readyStatus.platform, exposed: ["/facebook", "/whatsapp"] };
  const frame = draw(viewOf([{ type: "ready", status: { ...readyStatus, platform, pages, refused: 4 } }]), 120, 40);
  expect(frame).toMatch(/Pages +✘ Ill broken: The token expired. +✔ Well connected/);
  expect(frame).toContain("airy · degraded");
  expect(frame).toContain("only /facebook, /whatsapp are public");
  expect(frame).toContain("4 rejected signatures");
  expect(
    draw(
      viewOf([
        { type: "ready", status: readyStatus },
        { type: "pages", pages: [] },
      ]),
      80,
      24,
    ),
  ).toContain("none connected");
  expect(draw(viewOf([{ type: "ready", status: readyStatus }]), 80, 24)).not.toContain("Pages");
});

it("shows only what the filters let through", () => {
  const view = viewOf([
    { type: "ready", status: readyStatus },
    { type: "request", request: request(1, { path: "/one" }) },
    { type: "request", request: request(2, { path: "/two" }) },
  ]);
  const frame = draw(view, 200, 50, { ui: { filter: { requests: "TWO", logs: "no such line" } } });
  expect(frame).toContain("/two");
  expect(frame).not.toContain("/one");
  expect(frame).toContain("no line matches");
});

it("offers only keys that do something", () => {
  const frame = draw(viewOf(scenario("busy").events), 200, 50, { deck: {} });
  for (const word of ["replay", "trigger", "logs  ", "restart", "inbox  "])
    expect(frame.split("\n").slice(-3).join("\n")).not.toContain(word);
  expect(frame).toContain("c copy URL");
});
