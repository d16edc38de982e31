import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../../cli/io/http.ts";
import { type AiryError, exitCode, whyOf } from "../../../../cli/errors.ts";
import { probeCallback } from "../../../../cli/sources/facebook/callback.ts";
import { type Reaction, type Receiver, platformLike, startReceiver } from "../../../compose/sandbox/receiver.ts";

const verifyToken = "verify-token-canary";
let receiver: Receiver;

beforeEach(async () => {
  receiver = await startReceiver(platformLike(verifyToken));
});

afterEach(() => receiver.close());

function probe(retryDelaysMs: number[] = [], base = receiver.url): Promise<void> {
  return probeCallback({ http: createHttpClient(), callbackUrl: `${base}/facebook`, verifyToken, retryDelaysMs });
}

async function failure(work: Promise<unknown>): Promise<AiryError> {
  const error = await work.then(
    () => expect.unreachable("it did not fail"),
    (error: AiryError) => error,
  );
  expect({ code: error.code, exit: exitCode(error) }).toEqual({ code: "PROBE_FAILED", exit: 21 });
  expect(JSON.stringify(error.details) + whyOf(error)).not.toContain(verifyToken);
  return error;
}

test("a platform that echoes the challenge passes", async () => {
  await probe();
  expect(receiver.requests).toHaveLength(1);
  expect(receiver.requests[0]!.url.searchParams.get("hub.mode")).toBe("subscribe");
});

const reactions: [string, string, Reaction, string][] = [
  ["another verify token", "token", platformLike("another"), "another verify token"],
  ["an edge without the tunnel", "edge", (_, res) => res.writeHead(503, { "airy-error": "TUNNEL_DOWN" }).end("no"), "TUNNEL_DOWN"],
  ["a redirect", "redirect", (_, res) => res.writeHead(301, { location: "https://x.example/" }).end(), "https://x.example/"],
  ["an error", "status", (_, res) => res.writeHead(500).end("stack trace"), "stack trace"],
  ["a path that is none", "path", (_, res) => res.writeHead(404).end("Cannot GET /facebook"), "Nothing is at this path"],
  ["a wall in front", "html", (_, res) => res.writeHead(403).end("<html><title>Access denied"), "web page"],
  ["a page that begins with a comment", "html", (_, res) => res.end("\uFEFF<!-- x -->\n<html>"), "web page"],
  ["a web page", "html", (_, res) => res.end("<!DOCTYPE html><title>Welcome</title>"), "<!DOCTYPE html><title>Welcome"],
  ["Airy's answer to a wrong token", "body", (_, res) => res.end("0"), "It begins: 0"],
  ["nothing", "body", (_, res) => res.end(), "The answer is empty."],
  ["the challenge in quotes", "body", ({ url }, res) => res.end(`"${url.searchParams.get("hub.challenge")}"`), "something else"],
];

test.each(reactions)("%s is told apart: %s", async (_, problem, reaction, evidence) => {
  receiver.react(reaction);
  const error = await failure(probe());
  expect(error.details.problem).toBe(problem);
  expect(whyOf(error)).toContain(evidence);
});

test("only the first 80 bytes are shown, on one line, with the verify token masked", async () => {
  receiver.react((_, res) => res.end(`${verifyToken}\n\u001b[2J${"x".repeat(1000)}`));
  const error = await failure(probe());
  expect(error.details.received).toMatch(/^\*\*\* \[2Jx+$/);
  expect(String(error.details.received).length).toBeLessThanOrEqual(80);
});

test("an address where nobody listens, and a name that does not exist", async () => {
  await receiver.close();
  const refused = await failure(probe());
  expect(refused.details).toMatchObject({ problem: "unreachable", cause: "ECONNREFUSED" });
  receiver = await startReceiver(platformLike(verifyToken));
  const unknown = await failure(probe([], "http://does-not-exist.invalid"));
  expect(unknown.details).toMatchObject({ problem: "unreachable", cause: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) });
});

test("a platform that needs a moment is waited for; a wrong one is not", async () => {
  receiver.react((request, res) => {
    if (receiver.requests.length < 3) return void res.writeHead(502, { "airy-error": "LOCAL_REFUSED" }).end();
    platformLike(verifyToken)(request, res);
  });
  await probe([1, 1]);
  expect(receiver.requests).toHaveLength(3);
  receiver.react((_, res) => res.end("<html>"));
  await failure(probe([1, 1]));
  expect(receiver.requests).toHaveLength(4);
});
