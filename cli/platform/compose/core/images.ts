/** Which images the Core edition uses: compose/core/images.env, and what overrides it. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { profileNames, type Profile } from "../../../config/core.ts";
import type { Engine } from "../../../docker/engine.ts";
import type { Io } from "../../../io/io.ts";
import type { Caution } from "../../platform.ts";
import { estimatedMemory } from "./profiles.ts";

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

/** Of an engine on which Airy's images, which are published for amd64 alone, run slowly or not at all. */
export function cautionsOf({ architecture, memoryMb }: Pick<Engine, "architecture" | "memoryMb">, profiles: readonly Profile[]): Caution[] {
  const found: Caution[] = [];
  if (architecture !== "" && !/^(x86_64|amd64)$/.test(architecture)) {
    found.push({
      id: "architecture",
      message: `Airy's images are for amd64, and this engine runs on ${architecture}: they are emulated, which is several times slower.`,
      action: "Docker Desktop, colima and OrbStack can; on Linux the package qemu-user-static has to be there, else: exec format error",
    });
  }
  const needed = estimatedMemory(profiles);
  if (memoryMb !== null && memoryMb < needed) {
    const gigabytes = (mb: number): string => `${(mb / 1024).toFixed(1)} GB`;
    found.push({
      id: "engine-memory",
      message: `The docker engine has ${gigabytes(memoryMb)} of memory altogether; Airy Core is estimated to need ${gigabytes(needed)}.`,
      action: "give it more (Docker Desktop: Settings -> Resources), or airy up --edition basic",
    });
  }
  return found;
}

/**
 * Whether the connector compares X-Hub-Signature with SHA-1 of body + secret: those of 0.50.0 to 0.56.0 do (SignatureValidator of
 * backend/components/facebook/connector). What none of these tags is, has no check, as 0.49.0, or one that is right.
 */
export function wantsAirySignature(env: Io["env"]): boolean {
  return /:0\.5[0-6]\.\d+/.test(env.AIRY_CORE_FACEBOOK_CONNECTOR_IMAGE ?? "");
}
