/** What airy.yaml and the environment say of Airy Core's optional parts, in the keys of Airy's own airy.yaml. */
import { z } from "zod";
import { fail } from "../errors.ts";

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

const text = z.string().transform((value) => (value.trim() === "" ? undefined : value.trim()));
const empty = <T extends z.ZodType>(schema: T): z.ZodType<z.output<T> | undefined> =>
  z.preprocess((value) => (value === "" ? undefined : value), schema.optional());
const enabled = empty(z.strictObject({ enabled: empty(z.enum(["true", "false"]).transform((value) => value === "true")) }));

/** Beside `facebook`, below `components.sources`. */
export const coreSources = {
  chatplugin: enabled,
  whatsapp: empty(z.strictObject({ appId: text.optional(), appSecret: text.optional(), webhookSecret: text.optional() })),
  twilio: empty(z.strictObject({ authToken: text.optional(), accountSid: text.optional() })),
  viber: empty(z.strictObject({ authToken: text.optional() })),
};

/** Below `components`. */
export const coreComponents = {
  integration: empty(z.strictObject({ webhook: enabled })),
  api: empty(z.strictObject({ contacts: enabled })),
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
  if (sources?.chatplugin?.enabled) profiles.push("chatplugin");
  if (integration?.webhook?.enabled) profiles.push("webhook");
  if (api?.contacts?.enabled) profiles.push("contacts");
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
