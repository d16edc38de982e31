import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { fileLease } from "../../../../cli/sources/lease.ts";
import { createHttpClient } from "../../../../cli/io/http.ts";
import type { AiryEventBody } from "../../../../cli/events.ts";
import { type AiryError, errorBody, exitCode, whyOf } from "../../../../cli/errors.ts";
import { INSTAGRAM_FIELDS, PAGE_FIELDS } from "../../../../compose/facebook/contract.ts";
import { createFacebookSource } from "../../../../cli/sources/facebook/registrar.ts";
import type { Lease, Source, SourceTarget } from "../../../../cli/sources/source.ts";
import { type Receiver, platformLike, startReceiver } from "../../../compose/sandbox/receiver.ts";
import { type Json, type StandIn, app, appToken, startStandIn } from "../../../compose/sandbox/stand-in.ts";

const http = createHttpClient();
const verifyToken = "verify-token-canary";
let standIn: StandIn;
let platform: Receiver;
let target: SourceTarget;
let events: AiryEventBody[];

const emit = (event: AiryEventBody) => events.push(event);

beforeEach(async () => {
  standIn = await startStandIn();
  platform = await startReceiver(platformLike(verifyToken));
  target = { callbackUrl: `${platform.url}/facebook`, previousUrls: [], verifyToken };
  events = [];
});

afterEach(async () => {
  await standIn.close();
  await platform.close();
});

function source(changes: Partial<Parameters<typeof createFacebookSource>[0]> = {}): Source {
  return createFacebookSource({ http, graphUrl: standIn.url, appId: app.id, appSecret: app.secret, retryDelaysMs: [1], ...changes });
}

function register(changes: Partial<SourceTarget> = {}, replaceWebhook = false, using = source()) {
  return using.register({ ...target, ...changes }, { replaceWebhook }, emit);
}

/** What is registered now, read with a plain client. */
async function registered(): Promise<Json | undefined> {
  const { json } = await standIn.call("GET", `/v26.0/${app.id}/subscriptions`, appToken);
  return (json.data as Json[]).find(({ object }) => object === "page");
}

/** Somebody else registers an address of theirs. */
async function registerElsewhere(fields = "messages"): Promise<string> {
  const callback_url = `${platform.url}/production`;
  const params = { object: "page", callback_url, verify_token: verifyToken, fields };
  const { status } = await standIn.call("POST", `/v26.0/${app.id}/subscriptions`, appToken, params);
  expect(status).toBe(200);
  return callback_url;
}

async function failure(work: Promise<unknown>): Promise<AiryError> {
  const error = await work.then(
    () => expect.unreachable("it did not fail"),
    (error: AiryError) => error,
  );
  const text = JSON.stringify(errorBody(error)) + whyOf(error) + String(error.stack);
  for (const secret of [app.secret, verifyToken, appToken]) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(encodeURIComponent(secret));
  }
  return error;
}

/** A Graph API that answers as told, after the requests before it were answered with `first`. */
async function scriptedGraph(status: number, body: unknown): Promise<Receiver> {
  return startReceiver((_, res) => res.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body)));
}

describe("check", () => {
  test("proves the credentials and names the app", async () => {
    expect(await source().check()).toEqual({ account: app.name });
  });

  test.each([
    ["a wrong secret", { appSecret: "wrong" }, 190, "FB_SECRET_WRONG"],
    ["an unknown app id", { appId: "999" }, 101, "FB_APP_UNKNOWN"],
  ])("refuses %s with exit 4", async (_, change, code, named) => {
    const error = await failure(source(change).check());
    expect({ code: error.code, exit: exitCode(error), facebook: error.details.code }).toEqual({
      code: named,
      exit: 4,
      facebook: code,
    });
    expect(whyOf(error)).toMatch(/Trace id \S+\./);
  });

  test("refuses credentials of another app", async () => {
    const graph = await scriptedGraph(200, { id: "4711", name: "Another" });
    const error = await failure(source({ graphUrl: graph.url }).check());
    expect(error.code).toBe("FB_APP_REJECTED");
    expect(whyOf(error)).toContain("4711");
    await graph.close();
  });

  test("puts the token into a header, not into the URL", async () => {
    const graph = await scriptedGraph(200, { id: app.id, name: "x" });
    await source({ graphUrl: `${graph.url}/` }).check();
    const { url } = graph.requests[0]!;
    expect(url.pathname).toBe("/v26.0/app");
    // Of use for some minutes, for this token, and only to whoever has the token.
    const time = url.searchParams.get("appsecret_time");
    const proof = createHmac("sha256", app.secret).update(`${appToken}|${time}`).digest("hex");
    expect([...url.searchParams]).toEqual([
      ["appsecret_proof", proof],
      ["appsecret_time", time],
    ]);
    expect(graph.requests[0]!.headers.authorization).toBe(`Bearer ${appToken}`);
    await graph.close();
  });
});

describe("register", () => {
  test("checks the callback, registers all fields, reads back, tells each step", async () => {
    const webhook = { source: "facebook", object: "page", state: "active", callbackUrl: target.callbackUrl };
    expect(await register()).toEqual([webhook, { ...webhook, object: "instagram" }]);
    expect(await registered()).toMatchObject({ callback_url: target.callbackUrl, active: true });
    expect((await registered())!.fields.map((field: Json) => field.name)).toEqual([...PAGE_FIELDS]);
    const { json } = await standIn.command("GET", "/sandbox/state");
    expect(json.subscriptions[0].includeValues).toBe(true);

    // Our own request first, Facebook's handshake after it.
    expect(platform.requests.map((request) => request.headers["user-agent"])).toEqual([
      "airy-up (callback check)",
      "facebookplatform/1.0 (+http://developers.facebook.com)",
      "facebookplatform/1.0 (+http://developers.facebook.com)",
    ]);
    const states = events.map((event) => (event.type === "webhook" ? `${event.webhook.object} ${event.webhook.state}` : event.type));
    expect(states).toEqual(["page pending", "page pending", "page active", "instagram pending", "instagram active"]);
  });

  test("is harmless when repeated, and adds fields that are missing", async () => {
    await standIn.subscribe(target.callbackUrl, verifyToken, ["messages", "inbox_labels"]);
    expect(await source().inspect(target)).toMatchObject([{ state: "inactive" }, { state: "pending" }]);
    await register();
    await register();
    const names = (await registered())!.fields.map((field: Json) => field.name);
    expect(new Set(names)).toEqual(new Set([...PAGE_FIELDS, "inbox_labels"]));
  });

  test("a foreign callback is left alone: exit 22, both addresses named, nothing changed", async () => {
    const foreign = await registerElsewhere();
    const before = await registered();
    const error = await failure(register());
    expect({ code: error.code, exit: exitCode(error) }).toEqual({ code: "WEBHOOK_FOREIGN", exit: 22 });
    expect(whyOf(error)).toContain(foreign);
    expect(errorBody(error).actions.join()).toContain("airy up --replace-webhook");
    expect(await registered()).toEqual(before);
    expect(events.at(-1)).toMatchObject({ type: "webhook", webhook: { state: "foreign", callbackUrl: foreign } });
  });

  test("a foreign callback is replaced with consent, and the old one is told", async () => {
    const foreign = await registerElsewhere();
    await register({}, true);
    expect((await registered())!.callback_url).toBe(target.callbackUrl);
    expect(events).toContainEqual(expect.objectContaining({ previousUrl: foreign, webhook: expect.objectContaining({ state: "active" }) }));
  });

  test("an earlier address of this workspace is replaced without asking", async () => {
    const earlier = await registerElsewhere();
    expect(await source().inspect({ ...target, previousUrls: [earlier] })).toMatchObject([
      { state: "inactive", callbackUrl: earlier },
      { object: "instagram" },
    ]);
    await register({ previousUrls: ["https://other.example/facebook", earlier] });
    expect((await registered())!.callback_url).toBe(target.callbackUrl);
  });

  test("the same address in another spelling is ours", async () => {
    await register({ callbackUrl: target.callbackUrl.replace("http://", "HTTP://") });
    expect(await source().inspect(target)).toMatchObject([{ state: "active" }, { state: "active" }]);
  });

  test("a confirmed registration that reads back differently is an error", async () => {
    let posted = false;
    const graph = await startReceiver(({ method }, res) => {
      posted ||= method === "POST";
      const row = { object: "page", callback_url: target.callbackUrl, active: posted, fields: ["messages", { name: "standby" }] };
      res.end(JSON.stringify(method === "POST" ? { success: "true" } : { data: [{ object: "user" }, row] }));
    });
    const error = await failure(register({}, false, source({ graphUrl: graph.url })));
    expect({ code: error.code, exit: exitCode(error) }).toEqual({ code: "FB_READBACK", exit: 22 });
    expect(error.details.missing).toEqual(["messaging_postbacks", "message_echoes", "message_reactions", "message_edits"]);
    expect(events.at(-1)).toMatchObject({ webhook: { state: "error" } });
    await graph.close();
  });

  test("a read-back that comes a moment later is waited for", async () => {
    let reads = 0;
    const graph = await startReceiver(({ method }, res) => {
      if (method === "POST") return void res.end('{"success":true}');
      reads += 1;
      const row = { object: "page", callback_url: target.callbackUrl, active: true, fields: PAGE_FIELDS };
      res.end(JSON.stringify({ data: reads < 3 ? [] : [row, { ...row, object: "instagram", fields: INSTAGRAM_FIELDS }] }));
    });
    expect(await register({}, false, source({ graphUrl: graph.url, retryDelaysMs: [1, 1] }))).toMatchObject([
      { state: "active" },
      { state: "active" },
    ]);
    await graph.close();
  });

  test("Facebook cannot verify: its reason and trace id are shown", async () => {
    // Answers us, refuses Facebook.
    platform.react((request, res) => {
      if (request.headers["user-agent"]?.startsWith("facebook")) return void res.writeHead(404).end();
      platformLike(verifyToken)(request, res);
    });
    const error = await failure(register());
    expect({ code: error.code, exit: exitCode(error), facebook: error.details.code }).toEqual({
      code: "FB_VERIFY_FAILED",
      exit: 22,
      facebook: 2200,
    });
    expect(whyOf(error)).toContain("HTTP Status Code = 404");
    expect(await registered()).toBeUndefined();
  });

  test("Facebook gets something else than the challenge, which quotes the verify token: it is masked", async () => {
    platform.react((request, res) => {
      if (request.headers["user-agent"]?.startsWith("facebook")) return void res.writeHead(200).end(`bad token ${verifyToken}`);
      platformLike(verifyToken)(request, res);
    });
    const error = await failure(register());
    expect(error.details).toMatchObject({ code: 2201, message: expect.stringContaining('received="bad token ***"') });
  });
});

describe("https", () => {
  test("a plain http edge is refused before anything is called when Facebook is not on this machine", async () => {
    const calls: string[] = [];
    const counting = (request: { url: string }) => {
      calls.push(request.url);
      return Promise.reject(new Error("must not be called"));
    };
    const error = await failure(
      register({}, false, source({ http: counting, graphUrl: "https://graph.facebook.com", appSecret: "0".repeat(32) })),
    );
    expect({ code: error.code, exit: exitCode(error) }).toEqual({ code: "FB_HTTPS_REQUIRED", exit: 4 });
    const insecure = source({ http: counting, graphUrl: "http://graph.facebook.com" });
    for (const work of [insecure.check(), insecure.inspect(target), register({}, false, insecure)]) {
      expect((await failure(work)).code).toBe("FB_GRAPH_URL_INSECURE");
    }
    expect(calls).toEqual([]);
  });

  test.each(["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://graph.localhost:1", "http://facebook:4290"])(
    "%s is near enough for plain http",
    async (graphUrl) => {
      const refusing = () => Promise.reject(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }));
      expect((await failure(source({ graphUrl, http: refusing }).check())).code).toBe("FB_UNREACHABLE");
      expect((await failure(register({}, false, source({ graphUrl, http: refusing })))).code).toBe("PROBE_FAILED");
    },
  );
});

function repair(replaceWebhook = false) {
  return source().repair(target, { replaceWebhook }, emit);
}

describe("repair", () => {
  test("does nothing when all is well, and asks once", async () => {
    await register();
    platform.requests.length = 0;
    expect(await repair()).toMatchObject({ repairs: [], webhooks: [{ state: "active" }, { state: "active" }] });
    expect(platform.requests).toEqual([]);
  });

  test("registers again what was lost, and says what it was: a stand-in that has forgotten, fields that were removed, an earlier address", async () => {
    const gone = await repair();
    expect(gone.webhooks).toMatchObject([{ state: "active" }, { state: "active" }]);
    expect(gone.repairs).toEqual([expect.stringContaining("was gone"), expect.stringContaining("Instagram was gone")]);
    await standIn.call("DELETE", `/v26.0/${app.id}/subscriptions?object=page&fields=message_echoes`, appToken);
    expect((await repair()).repairs).toEqual([expect.stringContaining("lacked the fields message_echoes")]);
    expect((await registered())!.fields).toHaveLength(PAGE_FIELDS.length);
    target.previousUrls.push(await registerElsewhere());
    expect((await repair()).repairs).toEqual([expect.stringContaining("/production, and points here again")]);
    expect((await repair()).repairs).toEqual([]);
  });

  test("never fights a foreign address, but takes it over with consent", async () => {
    await register();
    const foreign = await registerElsewhere();
    const before = await registered();
    expect(await repair()).toMatchObject({ repairs: [], webhooks: [{ state: "foreign", callbackUrl: foreign }, { state: "active" }] });
    expect(await registered()).toEqual(before);
    expect(await repair(true)).toMatchObject({ webhooks: [{ state: "active" }, { state: "active" }] });
  });
});

describe("restore", () => {
  function leased(): { using: Source; lease: Lease; file: string } {
    const dir = mkdtempSync(path.join(os.tmpdir(), "airy-lease-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const file = path.join(dir, "webhook.json");
    const lease = fileLease(file, app.id);
    return { using: source({ lease }), lease, file };
  }

  test("what was replaced is written down before, and put back with its fields once its owner gives the verify token", async () => {
    const foreign = await registerElsewhere("messages,inbox_labels");
    const { using, lease } = leased();
    // Facebook refuses: it was written down all the same.
    await standIn.command("POST", "/sandbox/faults", { method: "POST", path: `${app.id}/subscriptions`, preset: "callback-404" });
    await failure(register({}, true, using));
    expect(await lease.previous()).toMatchObject([{ object: "page", callbackUrl: foreign, fields: ["messages", "inbox_labels"] }]);
    await register({}, true, using);
    expect((await failure(using.restore(target, null))).code).toBe("WEBHOOK_TOKEN_NEEDED");
    const dead = await failure(using.restore(target, "not the token"));
    expect(dead.code).toBe("WEBHOOK_OLD_DEAD");
    expect(whyOf(dead)).toContain("403");
    expect((await registered())!.callback_url).toBe(target.callbackUrl);
    expect(await using.restore(target, verifyToken)).toEqual([
      { object: "page", outcome: "restored", callbackUrl: foreign },
      { object: "instagram", outcome: "removed", callbackUrl: null },
    ]);
    const row = (await registered())!;
    expect([row.callback_url, row.fields.map((field: Json) => field.name).sort()]).toEqual([foreign, ["inbox_labels", "messages"]]);
    expect(await lease.previous()).toEqual([]);
  });

  test("where nothing was before, ours is removed; what somebody else has registered meanwhile is not touched", async () => {
    const { using } = leased();
    await register({}, false, using);
    const foreign = await registerElsewhere();
    expect((await failure(using.restore(target, null))).details).toMatchObject({ current: foreign });
    await register({}, true, using);
    // The address that was taken over meanwhile is what was there before.
    expect((await failure(using.restore(target, null))).code).toBe("WEBHOOK_TOKEN_NEEDED");
  });

  test("another app's is another matter, and a file that cannot be read keeps nothing from working", async () => {
    const { lease, file } = leased();
    await lease.record({ object: "page", callbackUrl: "https://a.example/x", fields: [], at: "now" });
    await lease.record({ object: "page", callbackUrl: null, fields: [], at: "later" });
    expect(await lease.previous()).toMatchObject([{ callbackUrl: "https://a.example/x" }]);
    expect(await fileLease(file, "4711").previous()).toEqual([]);
    writeFileSync(file, "{");
    expect(await lease.previous()).toEqual([]);
  });
});

describe("Instagram", () => {
  test.each(["refused", "silent"])("%s by API, it ends in steps for a person, and pages work", async (instagramByApi) => {
    expect((await standIn.command("PATCH", "/sandbox/settings", { instagramByApi })).status).toBe(200);
    const using = source();
    expect(await register({}, false, using)).toMatchObject([{ state: "active" }, { object: "instagram", state: "error" }]);
    const warning = events.find((event) => event.type === "warning");
    expect(warning).toMatchObject({ code: "INSTAGRAM_BY_HAND", action: expect.stringContaining(`Callback URL ${target.callbackUrl}`) });
    // It is not asked for again every ten minutes.
    events.length = 0;
    expect(await using.repair(target, { replaceWebhook: false }, emit)).toMatchObject({
      repairs: [],
      webhooks: [{ state: "active" }, { state: "error" }],
    });
    expect(events).toEqual([]);
  });

  test("somebody else's is left alone, and pages work", async () => {
    const callback_url = `${platform.url}/insta`;
    const row = { object: "instagram", callback_url, verify_token: verifyToken, fields: "messages" };
    await standIn.call("POST", `/v26.0/${app.id}/subscriptions`, appToken, row);
    expect(await register()).toMatchObject([{ state: "active" }, { state: "foreign", callbackUrl: callback_url }]);
  });
});

describe("errors of the Graph API", () => {
  test("an answer that is not JSON is shown with its beginning, and terminal controls are not", async () => {
    const graph = await scriptedGraph(200, `<html>\u001b[31m proxy login\n${"x".repeat(500)}`);
    const error = await failure(source({ graphUrl: graph.url }).check());
    expect(error.code).toBe("FB_INTERCEPTED");
    expect(error.details.received).toMatch(/^<html> \[31m proxy login x+$/);
    expect(String(error.details.received).length).toBeLessThanOrEqual(80);
    await graph.close();
  });

  test("a Graph API that is gone", async () => {
    const graph = await scriptedGraph(200, {});
    await graph.close();
    const error = await failure(source({ graphUrl: graph.url }).check());
    expect({ code: error.code, cause: error.details.cause }).toEqual({ code: "FB_UNREACHABLE", cause: "ECONNREFUSED" });
  });

  test("a passing disturbance is not noticed", async () => {
    let calls = 0;
    const graph = await startReceiver((_, res) => {
      calls += 1;
      if (calls === 1) return void res.socket?.destroy();
      if (calls === 2) return void res.writeHead(503).end("busy");
      res.end(JSON.stringify({ id: app.id, name: "back" }));
    });
    expect(await source({ graphUrl: graph.url, retryDelaysMs: [1, 1] }).check()).toEqual({ account: "back" });
    await graph.close();
  });

  test("an abort ends a call that is under way", async () => {
    const abort = new AbortController();
    const graph = await startReceiver(() => abort.abort());
    await expect(source({ graphUrl: graph.url }).check(abort.signal)).rejects.toMatchObject({ name: "AbortError" });
    expect(graph.requests).toHaveLength(1);
    await graph.close();
  });
});
