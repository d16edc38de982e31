/** Every error that developers have met at Facebook, planted in the stand-in: its code, its exit, and advice that fits. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHttpClient } from "../../../../cli/io/http.ts";
import { type AiryError, errorBody, exitCode, whyOf } from "../../../../cli/errors.ts";
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

const source = (budgetMs?: number) =>
  createFacebookSource({
    http: createHttpClient(),
    graphUrl: standIn.url,
    appId: app.id,
    appSecret: app.secret,
    retryDelaysMs: [1],
    ...(budgetMs && { budgetMs }),
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
  const error = await failureOf(source(300).check());
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

test.each([
  ["an id with letters", { appId: "my app", appSecret: "0123456789abcdef0123456789abcdef" }, /digits alone/],
  ["a secret that is cut off", { appId: "1234567890123456", appSecret: "0123456789abcdef" }, /32 characters.*has 16/],
  ["a token in place of the secret", { appId: "1234567890123456", appSecret: "EAAB/x" }, /others among them/],
])("%s is said before any call", async (_, credentials, why) => {
  const http = () => Promise.reject(new Error("must not be called"));
  const real = createFacebookSource({ http, graphUrl: "https://graph.facebook.com", ...credentials });
  const error = await failureOf(real.check());
  expect({ code: error.code, exit: exitCode(error) }).toEqual({ code: "FB_CREDENTIALS_IMPOSSIBLE", exit: 4 });
  expect(whyOf(error)).toMatch(why);
});

test("an app that demands the proof gets it, also where the clocks differ", async () => {
  // The stand-in's clock is far ahead: a proof with a time is refused then.
  expect((await standIn.command("POST", "/sandbox/clock", { advanceMinutes: 600 })).status).toBe(200);
  expect(await source().check()).toEqual({ account: app.name });
});
