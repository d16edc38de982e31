/** What airy.yaml and the environment say of Airy Core's optional parts, in the keys of Airy's own airy.yaml. */
import { z } from "zod";
import { fail } from "../errors.ts";
import { flagKey, section, textKey } from "./values.ts";

export const profileNames = ["facebook", "chatplugin", "webhook", "contacts", "whatsapp", "twilio", "viber"] as const;
/** Variable of compose.yaml: what Viber's connector takes for its own address. */
export const PUBLIC_URL = "AIRY_CORE_PUBLIC_URL";
/** A part of compose/core/compose.yaml that can be left out. */
export type Profile = (typeof profileNames)[number];

/** Beside Facebook, which the basic edition has as well. */
type Source = "whatsapp" | "twilio" | "viber";

/** For each source: key in airy.yaml -> variable of compose.yaml, which is also the one in the environment without its `AIRY_CORE_`. */
const credentials: Record<Source, Readonly<Record<string, string>>> = {
  whatsapp: { appId: "WHATSAPP_APP_ID", appSecret: "WHATSAPP_APP_SECRET", webhookSecret: "WHATSAPP_WEBHOOK_SECRET" },
  twilio: { authToken: "TWILIO_AUTH_TOKEN", accountSid: "TWILIO_ACCOUNT_SID" },
  viber: { authToken: "VIBER_AUTH_TOKEN" },
};

const enabled = (what: string, variable: string) =>
  section(
    { enabled: flagKey({ description: `Whether the Core edition runs ${what}`, default: "false", variable }) },
    `Core edition: ${what}`,
  );

/** Keys of a source: each is a variable of its own name in the environment. */
function source<K extends string>(title: string, keys: Record<K, readonly [description: string, variable: string]>) {
  const made = Object.entries<readonly [string, string]>(keys).map(([key, [description, variable]]) => {
    return [key, textKey({ description, variable, secret: /secret|token/i.test(key) })] as const;
  });
  return section(Object.fromEntries(made) as Record<K, ReturnType<typeof textKey>>, `Core edition: ${title}`);
}

/** Beside `facebook`, below `components.sources`. */
export const coreSources = {
  chatplugin: enabled("the chat plugin", "AIRY_CHATPLUGIN"),
  whatsapp: source("WhatsApp Cloud", {
    appId: ["App ID", "WHATSAPP_APP_ID"],
    appSecret: ["App secret", "WHATSAPP_APP_SECRET"],
    webhookSecret: ["Verify token of the webhook", "WHATSAPP_WEBHOOK_SECRET"],
  }),
  twilio: source("SMS and WhatsApp by Twilio", {
    authToken: ["Auth token", "TWILIO_AUTH_TOKEN"],
    accountSid: ["Account SID", "TWILIO_ACCOUNT_SID"],
  }),
  viber: source("Viber", { authToken: ["Token of the bot", "VIBER_AUTH_TOKEN"] }),
};

/** Below `components`. */
export const coreComponents = {
  integration: section({ webhook: enabled("outgoing webhooks", "AIRY_WEBHOOK") }, "Core edition: integrations"),
  api: section({ contacts: enabled("contacts", "AIRY_CONTACTS") }, "Core edition: parts of the API"),
};

const componentsSchema = z.object({
  sources: z.object(coreSources).optional(),
  integration: coreComponents.integration,
  api: coreComponents.api,
});

export interface CoreConfig {
  /** Without `facebook`, which follows from the Facebook app. */
  profiles: Profile[];
  /** Variables of compose.yaml: credentials. */
  variables: Record<string, string>;
}

/** Throws CONFIG_INVALID when a source has only a part of what it needs. */
export function coreConfig(
  components: z.output<typeof componentsSchema> | undefined,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): CoreConfig {
  const { sources, integration, api } = components ?? {};
  const profiles: Profile[] = [];
  const variables: Record<string, string> = {};
  const on = (variable: string, given: boolean | undefined): boolean =>
    env[variable] ? /^(1|true|yes|on)$/i.test(env[variable]) : !!given;
  if (on("AIRY_CHATPLUGIN", sources?.chatplugin?.enabled)) profiles.push("chatplugin");
  if (on("AIRY_WEBHOOK", integration?.webhook?.enabled)) profiles.push("webhook");
  if (on("AIRY_CONTACTS", api?.contacts?.enabled)) profiles.push("contacts");
  for (const source of ["whatsapp", "twilio", "viber"] as const) {
    const given: Readonly<Record<string, string | undefined>> = sources?.[source] ?? {};
    const found = Object.entries(credentials[source]).map(([key, name]) => ({ key, name, value: env[name]?.trim() || given[key] }));
    if (found.every(({ value }) => !value)) continue;
    const missing = found.find(({ value }) => !value);
    if (missing) {
      const reason = `It is missing, and ${source} needs it (or ${missing.name} in the environment).`;
      fail("CONFIG_INVALID", { file, line: null, key: `components.sources.${source}.${missing.key}`, reason });
    }
    profiles.push(source);
    for (const { name, value } of found) variables[`AIRY_CORE_${name}`] = value ?? "";
  }
  return { profiles, variables };
}
