/**
 * What `airy up` asks where there is no safe default and somebody to ask: the Facebook app, an edge that only a file names, a foreign
 * webhook.
 */
import { mkdir } from "node:fs/promises";
import { readConfig } from "../config/config.ts";
import { keep } from "../config/keyring.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readState } from "../config/state.ts";
import { writeConfigValues } from "../config/write.ts";
import type { Context } from "../context.ts";
import { asAiryError, type AiryError } from "../errors.ts";
import { createHttpClient } from "../io/http.ts";
import { joinSignals } from "../io/signals.ts";
import { parseEdge } from "../launch/edge.ts";
import { asCalled } from "../report/called.ts";
import { createFacebookSource } from "../sources/facebook/registrar.ts";
import { type Asker, canAsk, createAsker } from "../tui/ask.ts";
import { fingerprintOf } from "../../edge/names/identifier.ts";
import { pinKey } from "../tunnel/host-keys.ts";
import type { Options } from "./table.ts";

type UpOptions = Options<"up">;

const HOST_KEY_MS = 5000;
const FACEBOOK_MS = 15_000;
const facebookKeys = ["components", "sources", "facebook"] as const;

/** null: nobody is there, or nobody is to be asked. */
export async function askerOf(options: UpOptions, ctx: Context): Promise<Asker | null> {
  return options.yes || options.noInput ? null : askerFor(options, ctx);
}

/** Of commands that ask where they can, and say what is missing where they cannot. */
export async function askerFor({ json }: { json: boolean }, { io, signal }: Context): Promise<Asker | null> {
  if (json || !canAsk(io.tty, io.env, false)) return null;
  return createAsker({ stdin: io.stdin, stdout: io.terminal, env: io.env, signal });
}

/**
 * Before the first start of a workspace: the Facebook app, proven with Facebook before it is written into airy.yaml. "Later" is remembered
 * by there having been a start.
 */
export async function askFacebookApp(asker: Asker, options: UpOptions, ctx: Context, paths: WorkspacePaths): Promise<void> {
  const state = await readState(paths);
  if (options.sandbox || state.sandbox || state.engine !== null) return;
  await askApp(asker, ctx, paths);
}

/** Returns whether there is one now that was not there before. */
export async function askApp(asker: Asker, ctx: Context, paths: WorkspacePaths): Promise<boolean> {
  const { facebook, graphUrl } = await readConfig(paths.config, ctx.io.env);
  if (facebook.appId || facebook.appSecret) return false;
  const later = asCalled("later, with airy webhook connect");
  const appId = await asker.text({
    title: "Facebook App ID",
    hint: "https://developers.facebook.com/apps, App settings, Basic. To only try it: airy up --sandbox",
    secret: false,
    later,
    validate: (text) => (/^\d{0,32}$/.test(text) ? null : "An App ID has digits only."),
    check: async (text) => (text.length >= 5 ? null : "An App ID has more digits."),
  });
  if (appId === null) return false;
  const appSecret = await asker.text({
    title: "Facebook App secret",
    hint: "On the same page. It is kept in this system's keyring, else in airy.yaml, which only you can read.",
    secret: true,
    later,
    validate: (text) => (/^[\da-zA-Z]*$/.test(text) ? null : "An App secret has letters and digits only."),
    check: (secret) => proven(appId, secret, graphUrl, ctx.signal),
  });
  if (appSecret === null) return false;
  ctx.out.hide(appSecret);
  await mkdir(paths.root, { recursive: true });
  const kept = await keep(appSecret, ctx.io.env);
  const values = [
    [[...facebookKeys, "appId"], appId],
    [[...facebookKeys, "appSecret"], kept ?? appSecret],
  ] as const;
  await writeConfigValues(paths.config, values, { env: ctx.io.env, secret: kept === null });
  return true;
}

/** What Facebook has against it; null: it knows the app. */
async function proven(appId: string, appSecret: string, graphUrl: string, signal: AbortSignal): Promise<string | null> {
  const given = joinSignals([signal], FACEBOOK_MS);
  try {
    await createFacebookSource({ http: createHttpClient(), appId, appSecret, graphUrl }).check(given.signal);
    return null;
  } catch (error) {
    return given.signal.aborted ? `Facebook did not answer within ${FACEBOOK_MS / 1000} s.` : asAiryError(error).message;
  } finally {
    given.release();
  }
}

/** What is to be tried again after a failure that somebody's consent can lift; null: nothing. */
export async function askAfter(
  failure: AiryError,
  asker: Asker,
  options: UpOptions,
  ctx: Context,
  paths: WorkspacePaths,
): Promise<UpOptions | null> {
  if (failure.code === "EDGE_UNCONFIRMED") return (await confirmEdge(failure, asker, ctx, paths)) ? options : null;
  if (failure.code === "WEBHOOK_FOREIGN" && !options.replaceWebhook) {
    const { appId, current, callbackUrl } = failure.details;
    const yes = await asker.confirm({
      title: `Replace the webhook of the Facebook app ${String(appId)}?`,
      facts: [
        ["now", String(current ?? "unknown")],
        ["then", String(callbackUrl)],
      ],
      consequence: "From then on Facebook delivers here, and no longer to the other address. airy down --restore-webhook gives it back.",
    });
    return yes ? { ...options, replaceWebhook: true } : null;
  }
  return null;
}

/** Consent is to the key that was shown: it is pinned, and an edge that then shows another one is not used. */
async function confirmEdge(failure: AiryError, asker: Asker, ctx: Context, paths: WorkspacePaths): Promise<boolean> {
  const named = String(failure.details["edge"]);
  const edge = parseEdge(named, "up");
  const { hostKeyOf } = await import("../tunnel/fingerprint.ts");
  const key = await hostKeyOf(edge, ctx.signal, HOST_KEY_MS);
  // What cannot be shown cannot be consented to.
  if (key === null) return false;
  const yes = await asker.confirm({
    title: `Use the edge ${named}?`,
    facts: [
      ["named by", paths.config],
      ["host key", fingerprintOf(Buffer.from(key.split(" ")[1] ?? "", "base64"))],
    ],
    consequence: "It carries, and reads, every webhook of this workspace. Say yes only if you, or somebody you trust, run it.",
  });
  if (yes) await pinKey(paths.knownEdges, edge, key);
  return yes;
}
