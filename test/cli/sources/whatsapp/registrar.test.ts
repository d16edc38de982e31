/** The same interface for WhatsApp Cloud: an override for one account or number, read back, given back. */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AiryError } from "../../../../cli/errors.ts";
import { createHttpClient } from "../../../../cli/io/http.ts";
import { fileLease } from "../../../../cli/sources/lease.ts";
import type { Source, SourceTarget } from "../../../../cli/sources/source.ts";
import { createWhatsAppSource } from "../../../../cli/sources/whatsapp/registrar.ts";
import { type Receiver, platformLike, startReceiver } from "../../../compose/sandbox/receiver.ts";
import { type StandIn, app, startStandIn } from "../../../compose/sandbox/stand-in.ts";

let dir: string;
let standIn: StandIn;
let platform: Receiver;
let target: SourceTarget;
let token: string;
let owners: Record<"account" | "number", string>;

beforeEach(async () => {
  dir = mkdtempSync(path.join(os.tmpdir(), "airy-whatsapp-"));
  standIn = await startStandIn();
  platform = await startReceiver(platformLike("verify-canary"));
  target = { callbackUrl: `${platform.url}/facebook`, previousUrls: [], verifyToken: "verify-canary" };
  token = (await standIn.command("POST", "/sandbox/tokens", { type: "user" })).json.token as string;
  const [account] = (await standIn.command("GET", "/sandbox/state")).json.whatsapp;
  owners = { account: account.id, number: account.phones[0].id };
});
afterEach(async () => {
  await standIn.close();
  await platform.close();
  rmSync(dir, { recursive: true });
});

const quiet = () => {};
const keep = { replaceWebhook: false };

describe.each(["account", "number"] as const)("of one %s", (kind) => {
  const source = (): Source =>
    createWhatsAppSource({
      http: createHttpClient(),
      graphUrl: standIn.url,
      appId: app.id,
      appSecret: app.secret,
      retryDelaysMs: [],
      token,
      owner: { kind, id: owners[kind] },
      lease: fileLease(path.join(dir, "webhook.json"), app.id),
    });
  const code = (work: Promise<unknown>) =>
    work.then(
      () => "none",
      (error: AiryError) => error.code,
    );

  test("it is set, read back, repaired, and taken away again", async () => {
    expect((await source().check()).account).toEqual(expect.any(String));
    expect(await source().inspect(target)).toMatchObject([{ source: "whatsapp", state: "pending" }]);
    expect(await source().register(target, keep, quiet)).toMatchObject([{ state: "active", callbackUrl: target.callbackUrl }]);
    expect(await source().repair(target, keep, quiet)).toMatchObject({ repairs: [] });
    const moved = { ...target, callbackUrl: `${platform.url}/facebook?again`, previousUrls: [target.callbackUrl] };
    expect((await source().repair(moved, keep, quiet)).repairs).toHaveLength(1);
    expect(await source().restore(moved, null)).toMatchObject([{ outcome: "removed" }]);
    expect(await source().inspect(moved)).toMatchObject([{ state: "pending", callbackUrl: null }]);
  });

  test("somebody else's is replaced with consent alone, and put back with its verify token", async () => {
    const theirs = { ...target, callbackUrl: `${platform.url}/theirs` };
    await source().register(theirs, keep, quiet);
    rmSync(path.join(dir, "webhook.json"));
    expect(await code(source().register(target, keep, quiet))).toBe("WEBHOOK_FOREIGN");
    expect(await source().repair(target, keep, quiet)).toMatchObject({ repairs: [], webhooks: [{ state: "foreign" }] });
    await source().register(target, { replaceWebhook: true }, quiet);
    expect(await code(source().restore(target, null))).toBe("WEBHOOK_TOKEN_NEEDED");
    expect(await code(source().restore(target, "wrong"))).toBe("WEBHOOK_OLD_DEAD");
    expect(await source().restore(target, "verify-canary")).toMatchObject([{ outcome: "restored", callbackUrl: theirs.callbackUrl }]);
    expect(await source().inspect(theirs)).toMatchObject([{ state: "active" }]);
  });

  test("an address that is too long is said before any call", async () => {
    const long = { ...target, callbackUrl: `${platform.url}/${"x".repeat(200)}` };
    expect(await code(source().register(long, keep, quiet))).toBe("PROBE_FAILED");
    expect(platform.requests).toEqual([]);
  });
});

test("http is refused before any call to Facebook itself, and an odd row of another app blocks nothing", async () => {
  const given = {
    appId: app.id,
    appSecret: app.secret,
    token,
    retryDelaysMs: [],
    lease: fileLease(path.join(dir, "webhook.json"), app.id),
  };
  const http = () => Promise.reject(new Error("must not be called"));
  const real = createWhatsAppSource({ ...given, http, graphUrl: "https://graph.facebook.com", owner: { kind: "number", id: "1" } });
  await expect(real.register(target, keep, quiet)).rejects.toMatchObject({ code: "FB_HTTPS_REQUIRED" });
  const owner = { kind: "account" as const, id: owners.account };
  const source = createWhatsAppSource({ ...given, http: createHttpClient(), graphUrl: standIn.url, owner });
  const ours = { whatsapp_business_api_data: { id: app.id, name: "ours" }, override_callback_uri: "https://prod.example/\u001b[2J" };
  const body = JSON.stringify({ data: [null, { whatsapp_business_api_data: null }, { override_callback_uri: 7 }, ours] });
  const headers = { "content-type": "application/json" };
  await standIn.command("POST", "/sandbox/faults", { path: `${owner.id}/subscribed_apps`, raw: { status: 200, headers, body } });
  expect(await source.inspect(target)).toMatchObject([{ state: "foreign", callbackUrl: "https://prod.example/%1B[2J" }]);
});
