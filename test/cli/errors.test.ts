import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { CommandSpec } from "../../cli/commands/command.ts";
import { commands } from "../../cli/commands/table.ts";
import {
  AiryError,
  asAiryError,
  catalogue,
  errorBody,
  exitCode,
  fail,
  fromErrorBody,
  whyOf,
  type Details,
  type ErrorBody,
  type ErrorCode,
} from "../../cli/errors.ts";
import { errorText } from "../../cli/report/text.ts";
import { formsOf } from "../../docs/generate.ts";

const codes = Object.keys(catalogue) as ErrorCode[];

/** Exit codes by class, as the documentation promises them. */
const exits: Record<string, number[]> = {
  usage: [2],
  input: [3, 130],
  config: [4],
  docker: [10],
  port: [11],
  image: [12],
  service: [13],
  state: [14],
  tunnel: [20],
  probe: [21],
  webhook: [22],
  internal: [1],
};

/** Answers to every detail that a text may ask for. */
const anything: Details = new Proxy(
  {},
  { get: (_, key) => (/^(missing|present|variables|keys)$/.test(String(key)) ? [`<${String(key)}>`] : `<${String(key)}>`) },
);

function withAnything(code: ErrorCode): AiryError {
  return fromErrorBody({ code, details: anything } as ErrorBody);
}

describe("the catalogue", () => {
  test.each(codes)("%s says what, why and what to do, and exits with the code of its class", (code) => {
    const error = withAnything(code);
    const body = errorBody(error);
    expect(exits[body.category]).toContain(catalogue[code].exit);
    expect(body.message).toMatch(/\S.*[.?!]$/s);
    expect(whyOf(error)).toMatch(/\S/);
    expect(body.actions.length).toBeGreaterThan(0);
    for (const text of [body.message, whyOf(error), ...body.actions]) expect(text).not.toMatch(/undefined|\[object|NaN/);
  });

  test.each(codes)("%s: every command and option it names exists, in all its forms", (code) => {
    const { what, why, actions } = formsOf(code);
    for (const text of [...what, ...why, ...actions]) {
      for (const [, proxy, rest = ""] of text.matchAll(/\bairy(-proxy)? ((?:--?[a-z]|[a-z]+\b|[A-Z<])[^(;,]*)/g)) {
        const [first = "", ...words] = rest.split(/\s+&&\s+|\s+then\b/)[0]!.split(/\s+/);
        const name = proxy ? "proxy" : first;
        const spec = (commands as Record<string, CommandSpec>)[name];
        // A sentence about airy, or a word that is filled in.
        if (!spec && !actions.some((action) => action.startsWith("airy ") && action.includes(`airy ${rest}`))) continue;
        if (/^[<-]/.test(name)) continue;
        expect(spec, text).toBeDefined();
        const flags = words.map((word) => /^--([a-z-]+)/.exec(word)?.[1]).filter((flag) => flag !== undefined && flag !== "help");
        expect(spec!.options.map((option) => option.name)).toEqual(expect.arrayContaining(flags));
      }
    }
  });

  test("every code is used, and used with a code that exists", async () => {
    const root = path.resolve(import.meta.dirname, "../../cli");
    const files = (await readdir(root, { recursive: true })).filter((file) => /\.tsx?$/.test(file) && file !== "errors.ts");
    const text = (await Promise.all(files.map((file) => readFile(path.join(root, file), "utf8")))).join("\n");
    expect(codes.filter((code) => !text.includes(`"${code}"`))).toEqual([]);
  });
});

test("details are checked for each code", () => {
  // @ts-expect-error misspelled
  expect(new AiryError("PORT_TAKEN", { prot: 1, holder: null }).message).toContain("undefined");
  // @ts-expect-error missing
  expect(() => fail("PORT_TAKEN")).toThrow();
});

describe("an error", () => {
  test("exits with the number of the signal when it was interrupted", () => {
    expect(["SIGHUP", "SIGINT", "SIGTERM"].map((signal) => exitCode(new AiryError("INTERRUPTED", { signal })))).toEqual([129, 130, 143]);
  });

  test("survives the way through JSON", () => {
    const error = new AiryError("PORT_TAKEN", { port: 4200, holder: "nginx (pid 1)" });
    expect(fromErrorBody(JSON.parse(JSON.stringify(errorBody(error))))).toMatchObject({
      code: "PORT_TAKEN",
      message: error.message,
      details: error.details,
    });
    expect(fromErrorBody({ ...errorBody(error), code: "OF_ANOTHER_BUILD" as ErrorCode })).toMatchObject({ code: "INTERNAL" });
  });

  test("of ours stays what it is, any other is a bug with its stack", () => {
    const error = new AiryError("NO_SANDBOX");
    expect(asAiryError(error)).toBe(error);
    expect(asAiryError(new TypeError("x is not a function"))).toMatchObject({
      code: "INTERNAL",
      details: { reason: expect.stringContaining("errors.test") },
    });
    expect(asAiryError("text")).toMatchObject({ code: "INTERNAL", details: { reason: "text" } });
  });

  test("reads like this", () => {
    const error = new AiryError("SERVICE_EXITED", { service: "platform", exitCode: 1, log: ["starting", "no database"] });
    expect(errorText(error)).toBe(
      [
        "error: The service platform stopped with exit code 1. (SERVICE_EXITED)",
        "  why  Its last log lines are shown below.",
        "  do   airy logs platform",
        "  last lines of platform:",
        "    starting",
        "    no database",
      ].join("\n"),
    );
  });
});
