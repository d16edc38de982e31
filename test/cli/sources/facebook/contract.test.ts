import { expect, test } from "vitest";
import { GRAPH_VERSION, metaAppId, metaJson, signatureHeaders, verifySignature } from "../../../../compose/facebook/contract.ts";

const secret = "s3cr3t";
const body = Buffer.from('{"object":"page","entry":[]}');
const sha256 = "sha256=0b36918e92cea1735987421f3800c4016053b7e8951c42caa969731f7b34bcd5";
const sha1 = "sha1=53d211779896a61a293e6258ce6c2935b8c1496c";

test("both signatures are HMACs over the bytes", () => {
  expect(signatureHeaders(secret, body)).toEqual({ "x-hub-signature-256": sha256, "x-hub-signature": sha1 });
});

test.each([
  ["the newer header", { "x-hub-signature-256": sha256 }, "valid"],
  ["the older header alone", { "x-hub-signature": sha1 }, "valid"],
  ["both", { "x-hub-signature-256": sha256, "x-hub-signature": sha1 }, "valid"],
  [
    "a wrong newer header beside a right older one",
    { "x-hub-signature-256": `${sha256.slice(0, -1)}6`, "x-hub-signature": sha1 },
    "invalid",
  ],
  ["an empty newer header beside a right older one", { "x-hub-signature-256": "", "x-hub-signature": sha1 }, "invalid"],
  ["SHA-1 over body and secret instead of an HMAC", { "x-hub-signature": "sha1=d016250ffc7193930074da82fb8caa877260cc17" }, "invalid"],
  ["the right digest under the wrong name", { "x-hub-signature-256": sha256.slice("sha256=".length) }, "invalid"],
  ["none", {}, "missing"],
] as const)("%s: %s", (_, headers, verdict) => {
  expect(verifySignature(secret, body, headers)).toBe(verdict);
});

test("another body or another secret is invalid", () => {
  expect(verifySignature(secret, Buffer.from('{"object":"page","entry":[ ]}'), { "x-hub-signature-256": sha256 })).toBe("invalid");
  expect(verifySignature("other", body, { "x-hub-signature-256": sha256 })).toBe("invalid");
});

test("Meta's JSON is ASCII, with escaped slashes, and means the same", () => {
  const value = { text: 'ä \u007f \u2028 👋 a/b "quoted" \\' };
  const bytes = metaJson(value);
  expect(bytes.every((byte) => byte >= 0x20 && byte < 0x7f)).toBe(true);
  expect(bytes.toString()).toContain("\\u00e4 \\u007f \\u2028 \\ud83d\\udc4b a\\/b");
  expect(JSON.parse(bytes.toString())).toEqual(value);
});

test("app ids are numbers in echoes where a number can hold them", () => {
  expect(metaAppId("1234567890123456")).toBe(1_234_567_890_123_456);
  expect(metaAppId("12345678901234567890")).toBe("12345678901234567890");
  expect(metaAppId("007")).toBe("007");
  expect(metaAppId("sandbox")).toBe("sandbox");
});

test("the version of the Graph API is pinned", () => {
  expect(GRAPH_VERSION).toMatch(/^v\d+\.\d+$/);
});
