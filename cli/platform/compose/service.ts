/** What runs in a container of ours: one service, its configuration from a file that only this container can see. */
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { startPlatform } from "../../../compose/basic/src/index.ts";
import { startFacebookSandbox } from "../../../compose/sandbox/src/index.ts";
import { startEdge } from "../../../edge/index.ts";
import { whyCryptoIsSlow } from "../../checks/crypto.ts";
import type { Context } from "../../context.ts";
import { createHttpClient } from "../../io/http.ts";
import { fail } from "../../errors.ts";

const listen = z.object({ host: z.string(), port: z.int().min(1).max(65_535) });

const schemas = {
  platform: z.strictObject({
    databaseUrl: z.string(),
    listen,
    allowedHosts: z.array(z.string()),
    allowedOrigins: z.array(z.string()).optional(),
    apiToken: z.string().optional(),
    secret: z.string().optional(),
    retentionDays: z.int().optional(),
    workspace: z.string().optional(),
    facebook: z
      .object({
        appId: z.string(),
        appSecret: z.string(),
        verifyToken: z.string(),
        graphUrl: z.string(),
        graphVersion: z.string().optional(),
      })
      .nullable(),
  }),
  edge: z.strictObject({
    domain: z.string(),
    ssh: listen,
    http: listen,
    dataDir: z.string(),
    hostKey: z.string(),
    authorizedKeys: z.string(),
  }),
  facebook: z.strictObject({
    listen,
    app: z.object({ id: z.string(), secret: z.string(), name: z.string() }),
    page: z.object({ id: z.string(), name: z.string(), token: z.string() }),
    commandToken: z.string(),
    dataDir: z.string().nullable().default(null),
    /** Where `*.localhost` is, seen from this container: the edge's service name. */
    localhost: z.string(),
  }),
};

export type ServiceName = keyof typeof schemas;
export type ServiceConfig<N extends ServiceName> = z.input<(typeof schemas)[N]>;

export function isServiceName(name: string): name is ServiceName {
  return name in schemas;
}

/** Runs the service until the signal of the context. Throws SERVICE_EXITED with the reason when it cannot start. */
export async function runService(name: ServiceName, configFile: string, ctx: Pick<Context, "io" | "signal">): Promise<void> {
  const { signal } = ctx;
  const log = (line: string): void => ctx.io.stdout(`${line}\n`);
  const webDir = path.join(path.dirname(ctx.io.script), "web");
  const running = await startService(name, configFile, webDir, log).catch((error: unknown) =>
    fail("SERVICE_EXITED", { service: name, reason: error instanceof Error ? error.message : String(error) }, { cause: error }),
  );
  log(`${name} is up`);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  log(`${name} stops`);
  await running.close();
}

async function startService(
  name: ServiceName,
  configFile: string,
  webDir: string,
  log: (line: string) => void,
): Promise<{ close(): Promise<void> }> {
  const json: unknown = JSON.parse(await readFile(configFile, "utf8"));
  switch (name) {
    case "platform":
      return startPlatform({ ...schemas.platform.parse(json), webDir, log });
    case "edge": {
      const slow = whyCryptoIsSlow();
      if (slow !== null) log(slow);
      const { authorizedKeys: keys, ...config } = schemas.edge.parse(json);
      const authorizedKeys = path.join(config.dataDir, "authorized_keys");
      await writeFile(authorizedKeys, keys, { mode: 0o600 });
      return startEdge({ ...config, access: { authorizedKeys, deniedKeys: null }, admin: null, publicPort: null, log });
    }
    case "facebook": {
      const { localhost, ...config } = schemas.facebook.parse(json);
      return startFacebookSandbox({ ...config, chatDir: path.join(webDir, "chat"), http: createHttpClient(localhost), log });
    }
  }
}
