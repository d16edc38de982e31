/** The keys of airy.yaml. Those for sources are the ones of Airy's own workspaces. */
import { z } from "zod";
import { coreComponents, coreSources } from "./core.ts";
import { choiceKey, flagKey, numberKey, section, textKey } from "./values.ts";

const facebook = section(
  {
    appId: textKey({ description: "App ID: https://developers.facebook.com/apps, App settings, Basic", variable: "FACEBOOK_APP_ID" }),
    appSecret: textKey({ description: "App secret, on the same page", variable: "FACEBOOK_APP_SECRET", secret: true }),
    webhookSecret: textKey({
      description: "Verify token of the webhook; made for you when left out",
      variable: "FACEBOOK_WEBHOOK_SECRET",
      secret: true,
    }),
  },
  "The Facebook app whose messages come here",
);

export const schema = z.strictObject({
  edge: textKey({
    description:
      "SSH address of the edge that gives this workspace its public URL, or USER@HOST[:PORT] of any other SSH server. It reads every " +
      "webhook, so one that is named only here is used after airy up --edge has named it once. local: one on this machine",
    default: "tunnel.airy.co:22",
    variable: "AIRY_EDGE",
  }),
  edgeKey: textKey({
    description: "Public host key of the edge (ssh-ed25519 AAAA...), in place of trusting the first one seen",
    variable: "AIRY_EDGE_KEY",
  }),
  publicUrl: textKey({ description: "Where an SSH server that is no edge is reached, for this workspace", variable: "AIRY_PUBLIC_URL" }),
  remotePort: numberKey(
    { description: "The port it listens on for this workspace (default: 80; with publicUrl 8080)", variable: "AIRY_REMOTE_PORT" },
    1,
    65_535,
  ),
  port: numberKey(
    { description: "Port of the platform on 127.0.0.1 (default: 4200, or the next free one)", variable: "AIRY_PORT" },
    1,
    65_535,
  ),
  engine: choiceKey(["auto", "docker", "embedded"], {
    description: "What runs the services: docker, embedded (no docker needed), or auto = docker where it is usable",
    default: "auto",
    variable: "AIRY_ENGINE",
  }),
  edition: choiceKey(["basic", "core"], {
    description: "What runs the conversations: basic, or core = Airy Core's own images under docker",
    default: "basic",
    variable: "AIRY_EDITION",
  }),
  hold: flagKey({
    description: "Whether messages may wait at the edge, on its disk, for at most 36 hours, while this machine cannot take them",
    default: "true",
    variable: "AIRY_NO_HOLD",
  }),
  retentionDays: numberKey(
    { description: "Days for which the platform keeps what Facebook sent, byte for byte", default: "90", variable: "AIRY_RETENTION_DAYS" },
    1,
    99_999,
  ),
  security: section(
    {
      systemToken: textKey({
        description: "Whoever uses the API must send it as bearer token, or sign in with it in the browser",
        variable: "AIRY_API_TOKEN",
        secret: true,
      }),
      allowedOrigins: textKey({
        description: "Other pages that may use the API, separated by commas; * stands for any text without a slash",
        variable: "AIRY_ALLOWED_ORIGINS",
      }),
    },
    "Who may use the platform's API",
  ),
  components: section(
    { ...coreComponents, sources: section({ ...coreSources, facebook }, "Where messages come from") },
    "Parts of the platform, in the keys of Airy's own airy.yaml",
  ),
});

/** What an editor knows of airy.yaml: https://json-schema.org, draft 2020-12. */
export function configSchema(): JsonSchema {
  const made = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      // Nothing has to be there, and what is said of a key is said of its value in YAML, not of the text that is read.
      delete jsonSchema.required;
      const said = z.globalRegistry.get(zodSchema);
      if (!said?.type) return;
      delete jsonSchema.pattern;
      delete jsonSchema.enum;
      if (said.default !== undefined) jsonSchema.default = said.default as string;
    },
  });
  return { ...(made as JsonSchema), title: "airy.yaml", description: "Configuration of an Airy workspace. Everything is optional." };
}

export interface JsonSchema {
  title?: string;
  description?: string;
  type?: string | string[];
  enum?: (string | null)[];
  default?: string | number | boolean;
  properties?: Record<string, JsonSchema>;
  "x-variable"?: string;
  "x-secret"?: boolean;
}

export interface Key {
  /** With dots, e.g. `components.sources.facebook.appId`. */
  name: string;
  description: string;
  default: string | null;
  choices: string[] | null;
  kind: "text" | "flag" | "number" | "choice";
  variable: string | null;
  secret: boolean;
}

/** All keys that hold a value, in the order of the file. */
export function configKeys(node: JsonSchema = configSchema(), above: readonly string[] = []): Key[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const path = [...above, name];
    if (child.properties) return configKeys(child, path);
    const kind = child.enum ? "choice" : child.type?.includes("boolean") ? "flag" : child.type?.includes("integer") ? "number" : "text";
    return [
      {
        name: path.join("."),
        description: child.description ?? "",
        default: child.default === undefined ? null : String(child.default),
        choices: child.enum?.filter((choice) => choice !== null) ?? null,
        kind,
        variable: child["x-variable"] ?? null,
        secret: child["x-secret"] ?? false,
      },
    ];
  });
}
