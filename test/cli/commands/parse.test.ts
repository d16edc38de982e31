import { describe, expect, test } from "vitest";
import { camel, envName, type CommandSpec } from "../../../cli/commands/command.ts";
import { instead, synonyms } from "../../../cli/commands/near.ts";
import { load } from "../../../cli/commands/load.ts";
import { parse } from "../../../cli/commands/parse.ts";
import { commands } from "../../../cli/commands/table.ts";

const run = (line: string, env: Record<string, string> = {}) => parse(line.split(" ").filter(Boolean), env, "1.2.3");
const entries = Object.entries(commands) as [keyof typeof commands, CommandSpec][];

describe("a command line", () => {
  test("becomes a command with typed options", () => {
    expect(run("up --sandbox -y --no-hold --edge host:2222 --port 4300 --timeout 5")).toEqual({
      name: "up",
      options: {
        adopt: false,
        sandbox: true,
        yes: true,
        json: false,
        edge: "host:2222",
        edgeKey: undefined,
        edgeKeys: undefined,
        engine: undefined,
        noHold: true,
        noInspect: false,
        port: 4300,
        replaceWebhook: false,
        timeout: 5,
        detachWhenReady: false,
        dryRun: false,
        noInput: false,
        workspace: undefined,
      },
    });
    expect(run("proxy 3000 --path /a --path /b")).toMatchObject({ options: { target: ["3000"], path: ["/a", "/b"], hold: [] } });
    expect(run("logs")).toMatchObject({ name: "logs", options: { service: undefined } });
  });

  test("every option has an environment variable, and the flag wins over it", () => {
    const env = { AIRY_EDGE: " from-env\r\n", AIRY_SANDBOX: "1\r", AIRY_YES: "no", AIRY_PORT: "4400", AIRY_PATH: "/a, /b" };
    expect(run("up --edge from-flag", env)).toMatchObject({ options: { edge: "from-flag", sandbox: true, yes: false, port: 4400 } });
    expect(run("proxy 1", env)).toMatchObject({ options: { path: ["/a", "/b"] } });
    expect(run("proxy 1 --path /c", env)).toMatchObject({ options: { path: ["/c"] } });
  });

  test.each([
    ["upp", "UNKNOWN_COMMAND", { command: "upp", suggestion: "up" }],
    ["up --sandbx", "UNKNOWN_FLAG", { flag: "--sandbx", command: "up", suggestion: "--sandbox" }],
    ["--json", "UNKNOWN_FLAG", { flag: "--json" }],
    ["up extra", "INVALID_ARGUMENT", { command: "up" }],
    ["up --port", "INVALID_ARGUMENT", { command: "up" }],
    ["up --port 0", "INVALID_ARGUMENT", { command: "up" }],
    ["up --port 65536", "INVALID_ARGUMENT", { command: "up" }],
    ["up --port 42x", "INVALID_ARGUMENT", { command: "up" }],
    ["up --timeout 0", "INVALID_ARGUMENT", { command: "up" }],
    ["up --engine podman", "INVALID_ARGUMENT", { command: "up" }],
    ["up --edge=", "INVALID_ARGUMENT", { command: "up" }],
    ["trigger dance", "INVALID_ARGUMENT", { command: "trigger" }],
    ["sandbox --port 0", "INVALID_ARGUMENT", { command: "sandbox" }],
    ["stauts", "UNKNOWN_COMMAND", { suggestion: "status" }],
    ["nope --help", "UNKNOWN_COMMAND", { command: "nope", suggestion: null }],
    ["help nope", "UNKNOWN_COMMAND", { command: "nope" }],
    ["restart", "UNKNOWN_COMMAND", { instead: "airy down && airy up" }],
    ["upgrade", "UNKNOWN_COMMAND", { instead: expect.stringContaining("git pull") }],
    ["up -sandbox", "UNKNOWN_FLAG", { suggestion: "--sandbox" }],
    ["up sandbox", "INVALID_ARGUMENT", { instead: "airy up --sandbox" }],
    ["trigger mesage", "INVALID_ARGUMENT", { instead: "airy trigger message" }],
    ["trigger message Hello --text Hi", "INVALID_ARGUMENT", { command: "trigger" }],
  ])("%s is refused", (line, code, details) => {
    expect(() => run(line)).toThrow(expect.objectContaining({ code, details: expect.objectContaining(details) }));
  });

  test.each([
    ["start --sandbox", "up", { sandbox: true }, "start"],
    ["run", "up", {}, "run"],
    ["stop", "down", {}, "stop"],
    ["tail platform", "logs", { service: "platform" }, "tail"],
    ["inbox --print", "open", { what: "inbox", print: true }, "inbox"],
    ["trigger message Hello", "trigger", { what: "message", text: "Hello" }, undefined],
  ])("%s is airy %s", (line, name, options, typed) => {
    expect(run(line)).toMatchObject({ name, options, ...(typed && { synonym: { typed } }) });
  });

  test("words of other programs never stand in front of a command, and lead to one that is there", () => {
    const words = [...Object.values(synonyms).map(([name]) => name), ...Object.values(instead).map((line) => /airy (\w+)/.exec(line)?.[1])];
    expect(Object.keys(commands)).toEqual(expect.arrayContaining([...new Set(words)]));
    expect([...Object.keys(synonyms), ...Object.keys(instead)].filter((word) => word in commands)).toEqual([]);
  });

  test.each<Record<string, string>>([{ AIRY_PORT: "x" }, { AIRY_ENGINE: "podman" }, { AIRY_YES: "maybe" }])(
    "a wrong variable is refused: %o",
    (env) => {
      expect(() => run("up", env)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT", details: expect.objectContaining({ command: "up" }) }),
      );
    },
  );

  test("help and version are printed and run nothing", () => {
    for (const line of ["--version", "-V", "-v", "proxy --version", "proxy -v"]) expect(run(line)).toEqual({ print: "1.2.3\n" });
    expect(run("")).toMatchObject({ print: expect.stringContaining("Usage: airy") });
    for (const line of ["--help", "help", "up --help", "help up", "help start", "start --help"])
      expect(run(line)).toMatchObject({ print: expect.stringContaining("Usage: airy") });
    expect(run("--help")).not.toMatchObject({ print: expect.stringContaining("internal") });
  });
});

describe("the table", () => {
  test.each(entries)("%s: help names options, variables and examples", (name, spec) => {
    const { print } = run(`${name} --help`) as { print: string };
    const text = print.replaceAll(/\s+/g, " ");
    expect(text).toContain(spec.summary);
    for (const option of spec.options) expect(text).toContain(`[${envName(option)}]`);
    if (spec.hidden) return;
    expect(Math.min(spec.examples.length, spec.scripts.length)).toBeGreaterThan(0);
    for (const [line] of [...spec.examples, ...spec.scripts]) expect(text).toContain(`$ ${line}`);
    expect(text).toContain("Exit codes: 0 done");
  });

  test.each(entries.flatMap(([, spec]) => spec.examples.map(([line]) => line)))("the example %s is a valid command line", (line) => {
    const argv = [...(line.split(/ >>? /)[0] ?? "").matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
    expect(parse(argv.slice(1), {}, "")).toHaveProperty("name");
  });

  test.each(entries.map(([name]) => name))("%s can be loaded", async (name) => {
    expect(await load[name]()).toBeInstanceOf(Function);
  });

  test("names become property and variable names", () => {
    expect(camel("replace-webhook")).toBe("replaceWebhook");
    expect(envName({ name: "replace-webhook", kind: "flag", description: "" })).toBe("AIRY_REPLACE_WEBHOOK");
  });
});
