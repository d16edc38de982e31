import { expect, test } from "vitest";
import { AiryError } from "../../../cli/errors.ts";
import { Output } from "../../../cli/report/output.ts";

function output(options: { json?: boolean; stream?: boolean } = {}) {
  const written = { stdout: "", stderr: "" };
  const io = {
    stdout: (text: string) => void (written.stdout += text),
    stderr: (text: string) => void (written.stderr += text),
    now: () => new Date("2026-01-02T03:04:05Z"),
  };
  return { written, out: new Output(io, { command: "status", json: options.json ?? false, stream: options.stream ?? false }) };
}

test("for people: data on stdout, errors and warnings on stderr", () => {
  const { out, written } = output();
  out.line("a line");
  out.item({ type: "log" });
  out.warn({ code: "W", message: "careful", action: "look" });
  out.result({ some: "data" }, { text: "the end" });
  out.failure(new AiryError("LOCKED", { command: "up", pid: 1, file: "f", since: "s" }));
  expect(written.stdout).toBe("a line\nthe end\n");
  expect(written.stderr).toMatch(/^warning: careful \(look\)\nerror: Another airy up .*\(LOCKED\)\n {2}why .*\n {2}do /);
  expect(out.exit).toBe(14);
});

test("for programs: one document with all members, and nothing else on stdout", () => {
  const { out, written } = output({ json: true });
  out.line("not shown");
  out.warn({ code: "W", message: "careful" });
  out.result({ some: "data" }, { text: "not shown", exit: 31 });
  expect(JSON.parse(written.stdout)).toEqual({
    schemaVersion: 1,
    command: "status",
    status: "ok",
    data: { some: "data" },
    warnings: [{ code: "W", message: "careful" }],
    error: null,
  });
  expect(out.exit).toBe(31);
});

test("a failure for programs carries code, category, retryable, details and actions", () => {
  const { out, written } = output({ json: true });
  out.failure(new AiryError("PORT_TAKEN", { port: 1, holder: null }));
  out.failure(new AiryError("INTERNAL", { reason: "a second one does not spoil the document" }));
  expect(JSON.parse(written.stdout)).toMatchObject({
    status: "error",
    data: null,
    error: {
      code: "PORT_TAKEN",
      category: "port",
      retryable: true,
      message: "Port 1 is taken.",
      details: { port: 1 },
      actions: [expect.any(String), expect.any(String)],
    },
  });
});

test("a stream is a value a line and ends with the result", () => {
  const { out, written } = output({ json: true, stream: true });
  out.item(out.stamp({ type: "stopped" }));
  out.result(null);
  const lines = written.stdout.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { type: "stopped", at: "2026-01-02T03:04:05.000Z" },
    { type: "result", schemaVersion: 1, command: "status", status: "ok", data: null, warnings: [], error: null },
  ]);
});

test("secrets are shown nowhere, also where JSON escapes them", () => {
  for (const json of [false, true]) {
    const { out, written } = output({ json });
    const secret = 'ca"nary\\token';
    out.hide(secret);
    out.hide("abc"); // too short to be a secret
    out.line(`password ${secret} abc`);
    out.note(`note ${secret}`);
    out.warn({ code: "W", message: secret });
    out.failure(new AiryError("INTERNAL", { reason: secret }));
    for (const text of [written.stdout, written.stderr]) {
      expect(text).not.toContain("nary");
      expect(text).toContain("********");
    }
    if (json) expect(JSON.parse(written.stdout)).toMatchObject({ error: { details: { reason: "********" } } });
  }
});

test("what strangers have a hand in cannot steer the terminal", () => {
  const { out, written } = output();
  out.line("GET /\u001b[31m\u009b2J\r\u0007 200\n\tnext line, \u00e4\u{1f600}");
  out.note("\u001b]0;title\u0007");
  expect(written).toEqual({ stdout: "GET /?[31m?2J?? 200\n\tnext line, \u00e4\u{1f600}\n", stderr: "?]0;title?\n" });
  const json = output({ json: true, stream: true });
  json.out.item({ path: "/\u009b2J" });
  expect(json.written.stdout).toBe('{"path":"/?2J"}\n');
});
