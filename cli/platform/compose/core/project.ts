/** The files and variables of the Core edition's compose project. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { makePrivateDir, readText, writeAtomic } from "../../../io/files.ts";
import type { CoreSpec, PlatformSpec } from "../../platform.ts";
import { gatewayFiles, IN_CONTAINER } from "./gateway.ts";
import { gateTokenOf, jwtSecretOf } from "./secrets.ts";

export interface CoreProject {
  /** Compose file. */
  file: string;
  /** Arguments of `docker compose` that choose the profiles. */
  args: string[];
  /** Credentials among them: the connectors take theirs from the environment only. */
  env: Record<string, string>;
}

/** @param dir where files are written that containers mount, absolute. */
export async function writeCoreProject(
  spec: PlatformSpec,
  core: CoreSpec,
  options: { composeDir: string; dir: string; images: ReadonlyMap<string, string> },
): Promise<CoreProject> {
  const { composeDir, dir, images } = options;
  const files = gatewayFiles({
    ...IN_CONTAINER,
    profiles: core.profiles,
    gateToken: gateTokenOf(spec),
    origins: [...(spec.inboxUrl === undefined ? [] : [spec.inboxUrl]), ...(spec.api?.origins ?? [])],
    hosts: spec.inboxUrl === undefined ? [] : [new URL(spec.inboxUrl).hostname],
  });
  await makePrivateDir(path.join(dir, "gateway"));
  for (const [name, text] of files) await write(path.join(dir, "gateway", name), text);
  await write(path.join(dir, "topics.sh"), await readFile(path.join(composeDir, "core/topics.sh"), "utf8"));
  return {
    file: path.join(composeDir, "core/compose.yaml"),
    args: core.profiles.flatMap((profile) => ["--profile", profile]),
    env: {
      ...Object.fromEntries(images),
      ...core.variables,
      ...credentialsOf(spec),
      AIRY_CORE_FILES: dir,
      AIRY_CORE_ALLOWED_ORIGINS: originsOf(spec).join(","),
      AIRY_GATEWAY_CONFIG: hashOf([...files.values()].join("\0")),
    },
  };
}

function credentialsOf(spec: PlatformSpec): Record<string, string> {
  const { facebook, secrets, api } = spec;
  return {
    AIRY_CORE_CHATPLUGIN_JWT_SECRET: jwtSecretOf(spec, "chatplugin"),
    // The login is on when both are there.
    ...(api?.token && { systemToken: api.token, jwtSecret: jwtSecretOf(spec, "session") }),
    ...(facebook && {
      AIRY_CORE_FACEBOOK_APP_ID: facebook.appId,
      AIRY_CORE_FACEBOOK_APP_SECRET: facebook.appSecret,
      AIRY_CORE_FACEBOOK_WEBHOOK_SECRET: secrets.verifyToken,
    }),
  };
}

/** Airy refuses what a page of another origin asks; without any, everything is refused, its own pages included. */
function originsOf({ ports, inboxUrl, api }: PlatformSpec): string[] {
  const own = [`http://localhost:${ports.platform}`, `http://127.0.0.1:${ports.platform}`];
  return [...own, ...(inboxUrl === undefined ? [] : [inboxUrl]), ...(api?.origins ?? [])];
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** 0600. What has not changed stays untouched: running containers have it mounted. */
async function write(file: string, text: string): Promise<void> {
  if ((await readText(file)) !== text) await writeAtomic(file, text);
}
