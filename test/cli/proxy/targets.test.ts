/** Targets on the command line, and which request goes where, under which path. */
import { expect, it } from "vitest";
import { parseTargets, routeText } from "../../../cli/proxy/targets.ts";
import { Services } from "../../../cli/tunnel/services.ts";

function pathsOf(texts: string[], targets: string[], hostHeader: string | null = null): (string | null)[] {
  const services = new Services({ routes: parseTargets(texts), hostHeader, onChange: () => {}, onAnswer: () => {} });
  return targets.map((target) => {
    const found = services.find({ target, headers: ["Host", "x.example"] });
    return typeof found === "string" ? found : found.target;
  });
}

it.each([
  ["3000", "http://localhost:3000"],
  ["127.0.0.1:3000", "http://127.0.0.1:3000"],
  ["[::1]:3000", "http://[::1]:3000"],
  ["http://localhost", "http://localhost:80"],
  ["http://localhost:3000/", "http://localhost:3000"],
  ["http://localhost:3000/app", "http://localhost:3000/app"],
  ["/viber=4000", "/viber -> http://localhost:4000"],
  ["/viber/=http://localhost:4000/hook", "/viber -> http://localhost:4000/hook"],
])("reads %s as %s", (text, shown) => {
  expect(parseTargets([text]).map(routeText)).toEqual([shown]);
});

it("takes port 80 of this machine where nothing is named", () => {
  expect(parseTargets([]).map(routeText)).toEqual(["http://localhost:80"]);
});

it.each([
  ["nonsense"],
  ["0"],
  ["65536"],
  ["ftp://x:1"],
  ["https://localhost:1"],
  ["/a/../b=3000"],
  ["/a?b=3000"],
  ["/%61=3000"],
  ["a=3000"],
])("refuses %s", (text) => {
  expect(() => parseTargets([text])).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

it.each([
  [["3000"], "/a?b", "/a?b"],
  [["3000"], "*", "*"],
  [["3000"], "/a/../b", "/a/../b"],
  [["http://localhost:1/app"], "/", "/app"],
  [["http://localhost:1/app"], "/x/?q=1", "/app/x/?q=1"],
  [["/viber=1/hook"], "/viber", "/hook"],
  [["/viber=1/hook"], "/viber/", "/hook/"],
  [["/viber=1/hook"], "/viber?a=/b?c", "/hook?a=/b?c"],
  [["/viber=1/hook"], "/%76iber/%78", "/hook/%78"],
  [["/viber=1/"], "/viber", "/"],
  [["/viber=1/"], "/viber/x", "/x"],
  [["/viber=1"], "/viber/x", "/viber/x"],
  [["/viber=1"], "/viberx", "hidden"],
  [["/viber=1", "/viber/in=2/x", "3"], "/viber/in/y", "/x/y"],
  [["/viber=1/hook", "3"], "/other", "/other"],
  [["/viber=1/hook", "3"], "/viber/%2e%2e/other", "malformed"],
] as const)("%j: %s becomes %s", (texts, target, expected) => {
  expect(pathsOf([...texts], [target])).toEqual([expected]);
});

it("gives the local server the Host header that was asked for", () => {
  const hostOf = (hostHeader: string | null): string[] => {
    const services = new Services({ routes: parseTargets(["127.0.0.1:3000"]), hostHeader, onChange: () => {}, onAnswer: () => {} });
    const found = services.find({ target: "/", headers: ["X-A", "host", "hOsT", "x.example"] });
    return typeof found === "string" ? [] : found.headers;
  };
  expect(hostOf(null)).toEqual(["X-A", "host", "hOsT", "x.example"]);
  expect(hostOf("app.test")).toEqual(["X-A", "host", "hOsT", "app.test"]);
  expect(hostOf("rewrite")).toEqual(["X-A", "host", "hOsT", "127.0.0.1:3000"]);
});
