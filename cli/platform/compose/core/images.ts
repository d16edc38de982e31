/** Which images the Core edition uses: compose/core/images.env, and what overrides it. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { profileNames, type Profile } from "../../../config/core.ts";
import type { Io } from "../../../io/io.ts";

const REGISTRY = "ghcr.io/airyhq/";

/** Variable of compose.yaml -> reference, of the profiles that are used. */
export async function coreImages(composeDir: string, env: Io["env"], profiles: readonly Profile[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let used = true;
  for (const line of (await readFile(path.join(composeDir, "core/images.env"), "utf8")).split("\n")) {
    const profile = /^# profile (\w+)/.exec(line)?.[1];
    if (profile !== undefined) used = profiles.some((name) => name === profile);
    const [, name = "", reference = ""] = /^(\w+)=(.+)$/.exec(line) ?? [];
    if (name !== "" && used) found.set(name, env[name] || mirrored(reference, env));
  }
  return found;
}

/** compose.yaml names them all, whatever profiles are used. */
export async function allImages(composeDir: string, env: Io["env"]): Promise<Map<string, string>> {
  return coreImages(composeDir, env, profileNames);
}

function mirrored(reference: string, env: Io["env"]): string {
  const mirror = env.AIRY_CORE_REGISTRY?.replace(/\/+$/, "");
  return mirror && reference.startsWith(REGISTRY) ? `${mirror}/${reference.slice(REGISTRY.length)}` : reference;
}

/** Airy's images are published for amd64 alone; null where the engine is that, or does not say. */
export function cautionOf(architecture: string): { message: string; action: string } | null {
  if (architecture === "" || /^(x86_64|amd64)$/.test(architecture)) return null;
  return {
    message: `Airy's images are for amd64, and this engine runs on ${architecture}: they are emulated, which is several times slower.`,
    action: "Docker Desktop, colima and OrbStack can; on Linux the package qemu-user-static has to be there, else: exec format error",
  };
}

/**
 * Whether the connector compares X-Hub-Signature with SHA-1 of body + secret: those of 0.50.0 to 0.56.0 do (SignatureValidator of
 * backend/components/facebook/connector). What none of these tags is, has no check, as 0.49.0, or one that is right.
 */
export function wantsAirySignature(env: Io["env"]): boolean {
  return /:0\.5[0-6]\.\d+/.test(env.AIRY_CORE_FACEBOOK_CONNECTOR_IMAGE ?? "");
}
