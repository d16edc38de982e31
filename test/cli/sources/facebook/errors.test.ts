/** Every error that developers have met at Facebook, planted in the stand-in: its code, its exit, and advice that fits. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../../cli/io/http.ts";
import { type AiryError, errorBody, exitCode, whyOf } from "../../../../cli/errors.ts";
import { verifyProblem } from "../../../../cli/sources/facebook/refusal.ts";
import { createFacebookSource } from "../../../../cli/sources/facebook/registrar.ts";
import { type Receiver, platformLike, startReceiver } from "../../../compose/sandbox/receiver.ts";
import { type StandIn, app, startStandIn } from "../../../compose/sandbox/stand-in.ts";

const verifyToken = "verify-token-canary";
let standIn: StandIn;
let platform: Receiver;

beforeAll(async () => {
  standIn = await startStandIn();
  platform = await startReceiver(platformLike(verifyToken));
});
afterAll(async () => {
  await standIn.close();
  await platform.close();
});
beforeEach(() => standIn.command("DELETE", "/sandbox/faults"));

interface Fault {
  method?: string;
  path?: string;
  preset: string;
  times?: number | null;
}

async function failureOf(work: Promise<unknown>): Promise<AiryError> {
  return work.then(
    () => expect.unreachable("it did not fail"),
    (error: AiryError) => error,
  );
}

async function plant(fault: Fault): Promise<void> {
  expect((await standIn.command("POST", "/sandbox/faults", { times: null, ...fault })).status).toBe(200);
}

const hex = "0123456789abcdef0123456789abcdef";
const source = (changes: { budgetMs?: number; appId?: string; appSecret?: string } = {}) =>
  createFacebookSource({
    http: createHttpClient(),
    graphUrl: standIn.url,
    appId: app.id,
    appSecret: app.secret,
    retryDelaysMs: [1],
    ...changes,
  });
const target = () => ({ callbackUrl: `${platform.url}/facebook`, previousUrls: [], verifyToken });

/** What is planted, what it becomes, and a word of the advice. */
const checks: [preset: string, code: string, exit: number, advice: RegExp][] = [
  ["secret-wrong", "FB_SECRET_WRONG", 4, /Copy the App Secret again/],
  ["code-as-string", "FB_SECRET_WRONG", 4, /Copy the App Secret again/],
  ["app-unknown", "FB_APP_UNKNOWN", 4, /Instagram app ID/],
  ["app-unknown-190", "FB_APP_UNKNOWN", 4, /Instagram app ID/],
  ["client-id", "FB_APP_UNKNOWN", 4, /Copy the App ID again/],
  ["token-expired", "FB_TOKEN_DEAD", 4, /new user token/],
  ["token-password", "FB_TOKEN_DEAD", 4, /new user token/],
  ["token-removed", "FB_TOKEN_DEAD", 4, /new user token/],
  ["token-invalid", "FB_TOKEN_DEAD", 4, /new user token/],
  ["token-checkpoint", "FB_TOKEN_DEAD", 4, /new user token/],
  ["page-token", "FB_PAGE_TOKEN", 4, /--page ID/],
  ["token-missing", "FB_ERROR", 22, /airy webhook status/],
  ["proof-wrong", "FB_PROOF", 4, /clock/],
  ["proof-required", "FB_PROOF", 4, /Copy the App Secret/],
  ["no-capability", "FB_CAPABILITY", 4, /Add the product Messenger/],
  ["permission", "FB_PERMISSION", 4, /pages_messaging.*new user token/],
  ["permission-messaging", "FB_PERMISSION", 4, /pages_messaging.*new user token/],
  ["permission-removed", "FB_PERMISSION", 4, /pages_messaging.*new user token/],
  ["parameter", "FB_PARAMETER", 22, /does not help/],
  ["unknown-field", "FB_PARAMETER", 22, /does not help/],
  ["no-object", "FB_APP_UNKNOWN", 4, /Copy the App ID again/],
  ["limit-app", "FB_RATE_LIMITED", 22, /Wait an hour/],
  ["limit-user", "FB_RATE_LIMITED", 22, /Wait an hour/],
  ["limit-page", "FB_RATE_LIMITED", 22, /Wait an hour/],
  ["limit-custom", "FB_RATE_LIMITED", 22, /Wait an hour/],
  ["limit-inconsistent", "FB_RATE_LIMITED", 22, /Wait an hour/],
  ["limit-reached", "FB_RATE_LIMITED", 22, /Wait an hour/],
  ["limit-business", "FB_RATE_LIMITED", 22, /Wait an hour/],
  ["limit-whatsapp", "FB_RATE_LIMITED", 22, /Wait an hour/],
  ["policy", "FB_BLOCKED", 22, /Support Inbox/],
  ["send-restricted", "FB_BLOCKED", 22, /Support Inbox/],
  ["unknown", "FB_UNAVAILABLE", 22, /metastatus/],
  ["unavailable", "FB_UNAVAILABLE", 22, /metastatus/],
  ["transient", "FB_UNAVAILABLE", 22, /metastatus/],
  ["empty-500", "FB_UNREACHABLE", 22, /metastatus/],
  ["html-502", "FB_UNREACHABLE", 22, /metastatus/],
  ["reset", "FB_UNREACHABLE", 22, /metastatus/],
  ["html-200", "FB_INTERCEPTED", 22, /login/],
  ["redirect", "FB_INTERCEPTED", 22, /login/],
  ["success-false", "FB_ANSWER_ODD", 22, /airy webhook status/],
  ["invalid-request", "FB_ANSWER_ODD", 22, /airy webhook status/],
];

test.each(checks)("%s, where the credentials are checked -> %s, exit %i", async (preset, code, exit, advice) => {
  await plant({ preset, path: "app" });
  const error = await failureOf(source().check());
  expect({ code: error.code, exit: exitCode(error) }).toEqual({ code, exit });
  expect(errorBody(error).actions.join(" ")).toMatch(advice);
  const { faults } = (await standIn.command("GET", "/sandbox/faults")).json;
  // What may pass by itself is tried again, and a proof without its time; nothing else is.
  const again = ["FB_UNAVAILABLE", "FB_UNREACHABLE", "FB_PROOF"].includes(code);
  expect(faults[0].hits).toBe(again ? 2 : 1);
  if (error.details.code !== undefined && preset !== "code-as-string") expect(whyOf(error)).toMatch(/Trace id \S+\./);
  expect(JSON.stringify(errorBody(error)) + whyOf(error)).not.toContain(app.secret);
});

const verifies: [preset: string, problem: string, why: RegExp, advice: RegExp][] = [
  ["callback-402", "status", /got an error.*402/, /logs agent/],
  ["callback-403", "status", /got an error.*403/, /logs agent/],
  ["callback-404", "status", /got an error.*404/, /logs agent/],
  ["callback-500", "status", /got an error.*500/, /logs agent/],
  ["callback-502", "status", /got an error.*502/, /logs agent/],
  ["callback-503", "status", /got an error.*503/, /logs agent/],
  ["callback-dns", "dns", /could not be resolved/, /Wait some minutes/],
  ["callback-refused", "refused", /No connection/, /firewall/],
  ["callback-timeout", "timeout", /No connection/, /firewall/],
  ["callback-no-tls", "tls", /does not speak TLS/, /https/],
  ["callback-name", "certificate", /another name/, /certificate/],
  ["callback-chain", "certificate", /chain/, /certificate/],
  ["callback-html", "html", /a web page/, /interstitial/],
  ["callback-quoted", "quoted", /in quotes/, /whatever else answers/],
  ["callback-zero", "token", /another verify token/, /whatever else answers/],
  ["callback-empty", "token", /another verify token/, /whatever else answers/],
];

test.each(verifies)("%s, where Facebook verifies -> %s", async (preset, problem, why, advice) => {
  await plant({ preset, method: "POST", path: `${app.id}/subscriptions` });
  const error = await failureOf(source().register(target(), { replaceWebhook: false }, () => {}));
  expect({ code: error.code, exit: exitCode(error), problem: error.details.problem }).toEqual({
    code: "FB_VERIFY_FAILED",
    exit: 22,
    problem,
  });
  expect(whyOf(error)).toMatch(why);
  expect(errorBody(error).actions.join(" ")).toMatch(advice);
});

test("an odd row of another object, and a success that is a word, are no obstacle", async () => {
  await plant({ preset: "odd-row", method: "GET", path: `${app.id}/subscriptions`, times: 1 });
  await plant({ preset: "success-string", method: "POST", path: `${app.id}/subscriptions`, times: 1 });
  const error = await failureOf(source().register(target(), { replaceWebhook: false }, () => {}));
  // The word was believed, and the read-back found that nothing was behind it.
  expect(error.code).toBe("FB_READBACK");
});

test("a disturbance that passes is not noticed", async () => {
  await plant({ preset: "unavailable", path: "app", times: 1 });
  expect(await source().check()).toEqual({ account: app.name });
});

test("a call that hangs ends after its one budget, repeats included", async () => {
  await plant({ preset: "hang", path: "app" });
  const error = await failureOf(source({ budgetMs: 300 }).check());
  expect({ code: error.code, cause: error.details.cause }).toEqual({ code: "FB_UNREACHABLE", cause: "ETIMEDOUT" });
  expect((await standIn.command("GET", "/sandbox/faults")).json.faults[0].hits).toBe(1);
});

test("nearly used up, the app's calls are left to what cannot wait", async () => {
  const headers = { "content-type": "application/json", "x-app-usage": '{"call_count":95,"total_time":3,"total_cputime":1}' };
  const body = JSON.stringify({ id: app.id, name: app.name });
  await standIn.command("POST", "/sandbox/faults", { path: "app", raw: { status: 200, headers, body } });
  const asked = source();
  expect(asked.busy).toBe(false);
  await asked.check();
  expect(asked.busy).toBe(true);
});

test("text of others does not steer the terminal", async () => {
  const message = "\u001B[31mred\u202Edlrow\u2066";
  await standIn.command("POST", "/sandbox/faults", { path: "app", error: { code: 190, message } });
  expect(whyOf(await failureOf(source().check()))).not.toMatch(/[\p{Cc}\p{Cf}]/u);
});

const impossible: [what: string, appId: string, appSecret: string, why: RegExp][] = [
  ["an id with letters", "my app", hex, /digits alone/],
  ["an id of three digits", "123", hex, /about 15 digits.*has 3/],
  ["the id of an Instagram account", "17841405822304914", hex, /Instagram account/],
  ["id and secret exchanged", hex, "1234567890123456", /exchanged/],
  ["a secret that is cut off", "1234567890123456", hex.slice(0, 16), /32 characters.*has 16/],
  ["a secret with one character too many", "1234567890123456", `${hex}0`, /has 33/],
  ["a secret with an O in place of a 0", "1234567890123456", hex.replace("0", "O"), /has 32, and others/],
  ["a token in place of the secret", "1234567890123456", "EAAB12345678901234567890ZD", /access token/],
  ["the app's token in place of the secret", "1234567890123456", `1234567890123456|${hex}`, /part after the \|/],
];

test.each(["https://graph.facebook.com", "http://127.0.0.1:9"])(
  "what cannot be an id or a secret is said before any call to %s",
  async (graphUrl) => {
    const http = () => Promise.reject(new Error("must not be called"));
    for (const [what, appId, appSecret, why] of impossible) {
      // A stand-in may well have short ids.
      if (what === "an id of three digits" && graphUrl.startsWith("http:")) continue;
      const error = await failureOf(createFacebookSource({ http, graphUrl, appId, appSecret, retryDelaysMs: [] }).check());
      expect({ what, code: error.code, exit: exitCode(error) }).toEqual({ what, code: "FB_CREDENTIALS_IMPOSSIBLE", exit: 4 });
      expect(whyOf(error)).toMatch(why);
      expect(whyOf(error)).not.toContain(appSecret);
    }
  },
);

test("wrong secret, unknown id and an Instagram app's id are told apart", async () => {
  await standIn.command("POST", "/sandbox/apps", { id: app.id, name: app.name, instagramAppId: "777000777000777" });
  const codeOf = async (appId: string, appSecret: string) => (await failureOf(source({ appId, appSecret }).check())).code;
  expect(await codeOf(app.id, hex)).toBe("FB_SECRET_WRONG");
  expect(await codeOf("999000999000999", hex)).toBe("FB_APP_UNKNOWN");
  const instagram = await failureOf(source({ appId: "777000777000777", appSecret: hex }).check());
  expect({ code: instagram.code, exit: exitCode(instagram) }).toEqual({ code: "FB_APP_INSTAGRAM", exit: 4 });
  expect(errorBody(instagram).actions.join(" ")).toMatch(/not from Instagram > API setup/);
});

/** Others of the same kinds: code, subcode, message, and what it is where the credentials are checked. */
const kinds: [code: number, subcode: number | undefined, message: string, named: string][] = [
  [1, undefined, "Error validating client secret.", "FB_SECRET_WRONG"],
  [190, undefined, "Invalid OAuth access token - Cannot parse access token", "FB_APP_REJECTED"],
  [190, undefined, "Access token does not contain a valid app ID", "FB_APP_UNKNOWN"],
  [190, undefined, "Error validating application. Application has been deleted.", "FB_APP_UNKNOWN"],
  [101, undefined, "Missing client_id parameter.", "FB_APP_UNKNOWN"],
  [803, undefined, "(#803) Some of the aliases you requested do not exist: 12", "FB_APP_UNKNOWN"],
  [100, undefined, "Unsupported get request. Object with ID '12' does not exist", "FB_APP_UNKNOWN"],
  [190, 459, "The user is checkpointed", "FB_TOKEN_DEAD"],
  [190, 464, "The session has been invalidated", "FB_TOKEN_DEAD"],
  [190, 492, "The session is invalid", "FB_TOKEN_DEAD"],
  [210, undefined, "(#210) A page access token is required to request this resource", "FB_PAGE_TOKEN"],
  [190, undefined, "This method must be called with a Page Access Token", "FB_PAGE_TOKEN"],
  [5, undefined, "(#5) Unauthorized source IP address", "FB_ADDRESS_REFUSED"],
  [190, undefined, "This IP can't make requests for that application.", "FB_ADDRESS_REFUSED"],
  [200, undefined, "API access blocked.", "FB_BLOCKED"],
  [230, undefined, "(#230) Requires pages_messaging permission", "FB_PERMISSION"],
  [294, undefined, "(#294) Managing advertisements requires the extended permission", "FB_PERMISSION"],
  [80000, undefined, "(#80000) There have been too many calls", "FB_RATE_LIMITED"],
  [80014, undefined, "(#80014) There have been too many calls", "FB_RATE_LIMITED"],
  [80015, undefined, "(#80015) no limit", "FB_ERROR"],
  [130429, undefined, "(#130429) Rate limit hit", "FB_RATE_LIMITED"],
  [131031, undefined, "(#131031) Business account locked", "FB_BLOCKED"],
  [131016, undefined, "(#131016) Service unavailable", "FB_UNAVAILABLE"],
];

test.each(kinds)("code %i, subcode %s, %s -> %s", async (code, subcode, message, named) => {
  await standIn.command("POST", "/sandbox/faults", { path: "app", times: null, error: { code, message, ...(subcode && { subcode }) } });
  expect((await failureOf(source().check())).code).toBe(named);
});

test.each([
  [{ status: 429, body: "<html>slow down" }, "FB_RATE_LIMITED"],
  [{ status: 200, body: "" }, "FB_INTERCEPTED"],
  [{ status: 407, body: "<h1>Proxy login</h1>" }, "FB_INTERCEPTED"],
  [{ status: 200, body: "null" }, "FB_ANSWER_ODD"],
  [{ status: 200, body: "[]" }, "FB_ANSWER_ODD"],
  [{ status: 400, body: '{"error":{"message":"x","code":null,"error_subcode":"nine","fbtrace_id":7}}' }, "FB_ERROR"],
  [{ status: 400, body: '{"error":{"message":null,"code":"190","error_subcode":"463"}}' }, "FB_TOKEN_DEAD"],
  [{ status: 503, body: "busy" }, "FB_UNREACHABLE"],
])("%j -> %s", async (raw, named) => {
  await standIn.command("POST", "/sandbox/faults", { path: "app", times: null, raw });
  expect((await failureOf(source().check())).code).toBe(named);
});

test.each([
  ["(#2200) ... curl_errno = 52; curl_error = Empty reply from server", "broken"],
  ["(#2200) ... curl_errno=56; curl_error=Recv failure: Connection reset by peer", "broken"],
  ["(#2200) ... curl_errno = 28; curl_error = Resolving timed out after 5000 milliseconds", "dns"],
  ["(#2200) ... curl_errno = 83; curl_error = SSL certificate issuer check failed", "certificate"],
  ["(#2200) ... curl_errno = 47; curl_error = Maximum (0) redirects followed", "redirect"],
  ["(#2200) ... HTTP Status Code = 302; HTTP Message = Found", "redirect"],
  ["(#2200) ... HTTP Status Code = 429; HTTP Message = Too Many Requests", "status"],
  ["(#2200) ... certificate has expired", "certificate"],
  ["(#2200) Callback verification failed", "unknown"],
  ['(#2201) response does not match challenge, expected value="1", received="\uFEFF<!-- hi --><html>"', "html"],
  ['(#2201) response does not match challenge, expected value="1", received="\\u003ch1>Hello"', "html"],
  ['(#2201) response does not match challenge, expected value="1", received="Error, wrong token"', "token"],
  ['(#2201) response does not match challenge, expected value="1", received="Verification failed"', "token"],
  ['(#2201) response does not match challenge, expected value="1", received="{\\"challenge\\":1}"', "body"],
])("%s -> %s", (message, problem) => {
  expect(verifyProblem(message.startsWith("(#2200)") ? 2200 : 2201, message)).toBe(problem);
});

test("an address whose name was flagged is no rate limit, and another name is advised", async () => {
  const message = "(#100) This URL goes against our Community Standards";
  await standIn.command("POST", "/sandbox/faults", { method: "POST", path: `${app.id}/subscriptions`, error: { code: 100, message } });
  const error = await failureOf(source().register(target(), { replaceWebhook: false }, () => {}));
  expect(error.code).toBe("FB_BLOCKED");
  expect(errorBody(error).actions.join(" ")).toMatch(/under a domain of your own/);
});

test("names and addresses that others gave do not steer the terminal either", async () => {
  const body = JSON.stringify({ id: app.id, name: "\u001b[31mShop\u202e" });
  await standIn.command("POST", "/sandbox/faults", {
    path: "app",
    raw: { status: 200, headers: { "content-type": "application/json" }, body },
  });
  expect(await source().check()).toEqual({ account: "[31mShop" });
  await standIn.command("POST", "/sandbox/subscriptions", { object: "page", callbackUrl: "https://prod.example/\u001b[2J\u202ekooh" });
  const [found] = await source().inspect(target());
  expect(found).toMatchObject({ state: "foreign", callbackUrl: "https://prod.example/%1B[2J%E2%80%AEkooh" });
  const error = await failureOf(source().register(target(), { replaceWebhook: false }, () => {}));
  expect(whyOf(error)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  await standIn.command("POST", "/sandbox/subscriptions", { object: "page", callbackUrl: null });
});

test("how long Facebook wants to be left alone is heeded", async () => {
  const usage = { "1001": [{ call_count: 20, total_time: 1, total_cputime: 1, type: "pages", estimated_time_to_regain_access: 30 }] };
  const headers = { "content-type": "application/json", "x-business-use-case-usage": JSON.stringify(usage) };
  await standIn.command("POST", "/sandbox/faults", { path: "app", raw: { status: 200, headers, body: JSON.stringify({ id: app.id }) } });
  const asked = source();
  await asked.check();
  expect(asked.busy).toBe(true);
});

test("an app that demands the proof gets it, also where the clocks differ", async () => {
  // The stand-in's clock is far ahead: a proof with a time is refused then.
  expect((await standIn.command("POST", "/sandbox/clock", { advanceMinutes: 600 })).status).toBe(200);
  expect(await source().check()).toEqual({ account: app.name });
});
