/** What the launcher hands to the agent process over its stdin, secrets included: never argv, never the environment. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { PUBLIC_URL } from "../config/core.ts";
import { specSchema } from "../platform/platform.ts";

const port = z.int().min(1).max(65_535);

const settingsSchema = z.object({
  startId: z.string(),
  engine: z.enum(["docker", "embedded"]),
  spec: specSchema,
  edge: z.object({
    host: z.string(),
    port,
    fallbackPort: port.optional(),
    plain: z.object({ user: z.string(), publicUrl: z.string().nullable(), remotePort: port }).optional(),
  }),
  /** An edge that the agent process runs itself; null where another one is used, or that of a sandbox. */
  localEdge: z.object({ domain: z.string(), edgeHostKey: z.string(), edgeKeys: z.string() }).nullable(),
  /** Public host key of the edge where it is known; null: pinned on first contact. */
  edgeKey: z.string().nullable(),
  /** Port of the control API the last time; null: any. */
  controlPort: port.nullable(),
  replaceWebhook: z.boolean(),
  /** Whether messages may wait at the edge. */
  hold: z.boolean(),
  /** Whether headers and bodies of the last requests are kept in memory. */
  inspect: z.boolean(),
});

export type AgentSettings = z.output<typeof settingsSchema>;

/** Throws a plain error: only our own launcher writes this. */
export function parseSettings(text: string): AgentSettings {
  return settingsSchema.parse(JSON.parse(text));
}

/**
 * Two starts with the same hash run the same thing. Which public URL is expected is no part of it: what runs has been told the real one.
 */
export function settingsHash(
  settings: Pick<AgentSettings, "engine" | "spec" | "edge" | "localEdge" | "edgeKey" | "hold" | "inspect">,
): string {
  const { engine, edge, localEdge, edgeKey, hold, inspect } = settings;
  const { core } = settings.spec;
  const spec = { ...settings.spec, ...(core && { core: { ...core, variables: { ...core.variables, [PUBLIC_URL]: "" } } }) };
  return createHash("sha256")
    .update(
      JSON.stringify(
        settingsSchema
          .pick({ engine: true, spec: true, edge: true, localEdge: true, edgeKey: true, hold: true, inspect: true })
          .parse({ engine, spec, edge, localEdge, edgeKey, hold, inspect }),
      ),
    )
    .digest("hex")
    .slice(0, 16);
}

/** Everything in the settings that must not be shown. */
export function secretsOf(settings: Pick<AgentSettings, "spec" | "localEdge">): string[] {
  const { spec, localEdge } = settings;
  return [
    localEdge?.edgeHostKey,
    spec.secrets.databasePassword,
    spec.secrets.verifyToken,
    spec.secrets.platformSecret,
    spec.api?.token,
    spec.facebook?.appSecret,
    ...Object.entries(spec.core?.variables ?? {})
      .filter(([name]) => name !== PUBLIC_URL)
      .map(([, value]) => value),
    spec.sandbox?.commandToken,
    spec.sandbox?.page.token,
    spec.sandbox?.edgeHostKey,
  ].filter((secret) => secret !== undefined);
}
