/** `airy webhook ... --whatsapp ID`: the callback of one WhatsApp account or number, beside the app's own. */
import { readConfig } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { readState } from "../config/state.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import type { Io } from "../io/io.ts";
import type { SourceTarget } from "../sources/source.ts";
import { createWhatsAppSource } from "../sources/whatsapp/registrar.ts";
import type { Options } from "./table.ts";
import { openApp, restoredText } from "./webhook-app.ts";

/** Throws what the Graph API says, WEBHOOK_FOREIGN, WEBHOOK_TOKEN_NEEDED, WEBHOOK_OLD_DEAD. */
export async function runWhatsApp(options: Options<"webhook">, { io, out, signal }: Context, paths: WorkspacePaths): Promise<void> {
  const invalid = (reason: string): never => fail("INVALID_ARGUMENT", { command: "webhook", reason });
  const [, kind = "", id = ""] = /^(account|number):(\d{1,30})$/.exec(options.whatsapp ?? "") ?? [];
  if (id === "") invalid("--whatsapp takes account:ID or number:ID.");
  const token = io.env.WHATSAPP_TOKEN?.trim() || invalid("WHATSAPP_TOKEN is to hold a token with whatsapp_business_management.");
  out.hide(token);
  if (options.verifyToken) out.hide(options.verifyToken);
  const { graph, lease, target: facebook } = await openApp(paths, io);
  const core = await coreTarget(paths, io, facebook);
  const target = core ?? facebook;
  if (core) out.hide(core.verifyToken);
  const source = createWhatsAppSource({ ...graph, token, owner: { kind: kind as "account" | "number", id }, lease });
  if (options.what === "restore") {
    const restored = await source.restore(target, options.verifyToken?.trim() || null, signal);
    return out.result({ restored }, { text: restoredText(restored) });
  }
  const { account } = await source.check(signal);
  const connect = { replaceWebhook: options.replaceWebhook };
  const webhooks =
    options.what === "connect" ? await source.register(target, connect, () => {}, signal) : await source.inspect(target, signal);
  if (options.what === "connect" && !core) {
    const message = "The platform keeps WhatsApp's deliveries as they are, and shows none of them yet; airy requests does.";
    out.warn({ code: "WHATSAPP_UNREAD", message });
  }
  const lines = webhooks.map(
    ({ object, state, callbackUrl }) => `${account}: ${object} ${state}${callbackUrl ? ` -> ${callbackUrl}` : ""}`,
  );
  out.result({ account, webhooks }, { text: lines.join("\n") });
}

/** Airy Core has a connector for WhatsApp, with a path and a verify token of its own; null: the basic edition. Throws CONFIG_INVALID. */
async function coreTarget(
  paths: WorkspacePaths,
  io: Io,
  { callbackUrl, previousUrls, ...rest }: SourceTarget,
): Promise<SourceTarget | null> {
  if ((await readState(paths)).edition !== "core") return null;
  const { core } = await readConfig(paths.config, io.env);
  const verifyToken = core.variables.AIRY_CORE_WHATSAPP_WEBHOOK_SECRET;
  if (verifyToken === undefined) {
    const reason = "It is missing, and Airy Core's connector for WhatsApp runs only with it.";
    return fail("CONFIG_INVALID", { file: paths.config, line: null, key: "components.sources.whatsapp", reason });
  }
  const own = (url: string): string => url.replace(/\/facebook$/, "/whatsapp");
  return { ...rest, callbackUrl: own(callbackUrl), previousUrls: previousUrls.map(own), verifyToken };
}
