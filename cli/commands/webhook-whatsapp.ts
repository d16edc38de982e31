/** `airy webhook ... --whatsapp ID`: the callback of one WhatsApp account or number, beside the app's own. */
import type { WorkspacePaths } from "../config/paths.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
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
  const { graph, lease, target } = await openApp(paths, io);
  const source = createWhatsAppSource({ ...graph, token, owner: { kind: kind as "account" | "number", id }, lease });
  if (options.what === "restore") {
    const restored = await source.restore(target, options.verifyToken?.trim() || null, signal);
    return out.result({ restored }, { text: restoredText(restored) });
  }
  const { account } = await source.check(signal);
  const connect = { replaceWebhook: options.replaceWebhook };
  const webhooks =
    options.what === "connect" ? await source.register(target, connect, () => {}, signal) : await source.inspect(target, signal);
  if (options.what === "connect") {
    const message = "The platform keeps WhatsApp's deliveries as they are, and shows none of them yet; airy requests does.";
    out.warn({ code: "WHATSAPP_UNREAD", message });
  }
  const lines = webhooks.map(
    ({ object, state, callbackUrl }) => `${account}: ${object} ${state}${callbackUrl ? ` -> ${callbackUrl}` : ""}`,
  );
  out.result({ account, webhooks }, { text: lines.join("\n") });
}
