/** What the edge says when it answers itself: a page for people, JSON for programs, the same code in both, and nothing from elsewhere. */
import { expect, it } from "vitest";
import { answers, type Answer, type AnswerCode } from "../../../edge/errors.ts";
import { pageOf } from "../../../edge/ingress/page.ts";

const codes = Object.keys(answers) as AnswerCode[];

it.each(codes)("%s", (code) => {
  const entry: Answer = answers[code];
  const html = pageOf(code, "text/html,application/xhtml+xml,*/*;q=0.8", "abc");
  const json = pageOf(code, "*/*", "abc");
  for (const page of [html, json]) {
    expect(page.headers).toMatchObject({ "Airy-Error": code, "X-Request-Id": "abc", "Cache-Control": "no-store" });
    expect(page.headers["Content-Length"]).toBe(Buffer.byteLength(page.body));
    expect(page.headers["Retry-After"]).toBe(entry.retryAfter);
  }
  expect(JSON.parse(json.body)).toMatchObject({ code, status: entry.status, message: entry.what, why: entry.why, do: entry.do });
  expect(html.headers["Content-Type"]).toBe("text/html; charset=utf-8");
  expect(html.body).toContain(code);
  expect(html.body).not.toMatch(/\{\{|https?:|src=|href=|url\(|@import|<script/);
  expect(html.body.match(/<dt>/g)).toHaveLength(Object.keys(entry.do).length);
  // Refusals for being too much say when it is worth coming back.
  if (entry.status === 429 || entry.status === 503) expect(entry.retryAfter).toBeGreaterThan(0);
});
