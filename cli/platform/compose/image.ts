/** Images: which ones are used, whether they are here or can be had, and how ours is made. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readFile, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { z } from "zod";
import type { Io } from "../../io/io.ts";
import { run } from "../../io/spawn.ts";
import { fail } from "../../errors.ts";
import { messageOf, type Engine } from "../../docker/engine.ts";

export interface ImageSet {
  /** Official image that ours is built on. */
  node: string;
  postgres: string;
  /** `airy-up:<hash of its content>`, or AIRY_IMAGE. */
  own: string;
  /** Ours is made here; false when AIRY_IMAGE names one. */
  build: boolean;
}

export interface Package {
  /** The bundle, absolute. */
  distDir: string;
  composeDir: string;
}

/** AIRY_NODE_IMAGE, AIRY_POSTGRES_IMAGE and AIRY_IMAGE override. */
export async function imagesOf(pack: Package, env: Io["env"]): Promise<ImageSet> {
  const defaults = parseEnvFile(await readFile(path.join(pack.composeDir, "basic/images.env"), "utf8"));
  // ssh2's addon is the one of this machine, and fits the Node that it was compiled for.
  const [major = ""] = process.versions.node.split(".");
  const node =
    env.AIRY_NODE_IMAGE ||
    defaults.AIRY_NODE_IMAGE?.replace(/^node:\d+/, `node:${major}`) ||
    fail("INTERNAL", { reason: "images.env has no AIRY_NODE_IMAGE" });
  const postgres =
    env.AIRY_POSTGRES_IMAGE || defaults.AIRY_POSTGRES_IMAGE || fail("INTERNAL", { reason: "images.env has no AIRY_POSTGRES_IMAGE" });
  if (env.AIRY_IMAGE) return { node, postgres, own: env.AIRY_IMAGE, build: false };
  return { node, postgres, own: `airy-up:${await contentHash(pack, node)}`, build: true };
}

export async function isPresent(engine: Engine, image: string): Promise<boolean> {
  return (await idOf(engine, image)) !== null;
}

async function idOf(engine: Engine, image: string): Promise<string | null> {
  return (await engine.ask((docker) => docker.getImage(image).inspect()))?.Id ?? null;
}

/** How registries say that they want a login. */
export const REFUSED = /unauthorized|denied|authentication/i;

/**
 * Whether the image is here, or the engine finds it at its registry. A registry that wants a login counts as yes: the engine is asked
 * without one, `docker pull` has it. Returns the reason why not, or null.
 */
export async function whyUnavailable(engine: Engine, image: string): Promise<string | null> {
  if (await isPresent(engine, image)) return null;
  try {
    const found = await engine.ask((docker) => docker.getImage(image).distribution(), { timeoutMs: 8000 });
    return found ? null : `there is no image ${image}`;
  } catch (error) {
    const reason = messageOf(error);
    // Not every engine can be asked (podman 4 cannot); then the pull has to show it.
    return REFUSED.test(reason) || /not (implemented|supported)/i.test(reason) ? null : reason;
  }
}

/**
 * Builds our image. With `docker build`, not through compose: from version 5 on that needs buildx, which not every machine has.
 * Throws IMAGE_BUILD_FAILED.
 */
export async function build(pack: Package, images: ImageSet, context: string, signal: AbortSignal): Promise<void> {
  try {
    await stageContext(pack, context);
    const result = await run("docker", ["build", "--build-arg", `AIRY_NODE_IMAGE=${images.node}`, "--tag", images.own, context], {
      signal,
    });
    signal.throwIfAborted();
    if (result.exitCode === 0) return;
    const log = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-20);
    fail("IMAGE_BUILD_FAILED", { image: images.own, reason: lastLine(result.stderr) || lastLine(result.stdout), log });
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

/** Fills the folder that the image is built from. */
async function stageContext(pack: Package, dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await cp(pack.distDir, dir, { recursive: true });
  for (const file of ["Dockerfile", "healthcheck.mjs"]) await cp(path.join(pack.composeDir, "basic", file), path.join(dir, file));
  // ssh2's compiled addon doubles the edge's speed where Node's version in the image fits; without it ssh2 does with JavaScript.
  const addon = "ssh2/lib/protocol/crypto/build/Release/sshcrypto.node";
  const folders = createRequire(path.join(pack.distDir, "_.js")).resolve.paths("ssh2") ?? [];
  const compiled = folders.map((folder) => path.join(folder, addon)).find((file) => existsSync(file));
  if (compiled) await cp(compiled, path.join(dir, "node_modules", addon));
  await openToAll(dir);
}

/** Whatever the umask of the build was: a service runs as any user. In the image it would double the layer. */
async function openToAll(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const file = path.join(dir, entry.name);
    if (entry.isDirectory()) await openToAll(file);
    else await chmod(file, 0o644);
  }
}

const listed = z.array(z.object({ Id: z.string() }));

/**
 * Images of ours of other builds that no container uses. The engine refuses to remove one in use. The one that is kept is known by its id:
 * podman shows other names than those that were given.
 */
export async function removeOldImages(engine: Engine, keep: string | null): Promise<void> {
  const kept = keep === null ? null : await idOf(engine, keep);
  if (keep !== null && kept === null) return;
  const filters = { label: ["co.airy.image=airy-up"] };
  const images = listed.parse(await engine.ask((docker, abortSignal) => docker.listImages({ filters, abortSignal })));
  for (const { Id } of images) {
    if (Id === kept) continue;
    await engine.ask((docker, abortSignal) => docker.getImage(Id).remove({ abortSignal }), { timeoutMs: 30_000 }).catch(() => undefined);
  }
}

/** What goes into the image, so that equal content is built once and a change is never missed. */
async function contentHash(pack: Package, node: string): Promise<string> {
  const hash = createHash("sha256").update(node);
  const visit = async (dir: string): Promise<void> => {
    const entries = await readdir(dir, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const file = path.join(dir, entry.name);
      if (entry.isDirectory()) await visit(file);
      else hash.update(`\0${path.relative(pack.distDir, file)}\0`).update(await readFile(file));
    }
  };
  await visit(pack.distDir);
  for (const file of ["Dockerfile", "healthcheck.mjs"]) hash.update(await readFile(path.join(pack.composeDir, "basic", file)));
  return hash.digest("hex").slice(0, 12);
}

function parseEnvFile(text: string): Record<string, string | undefined> {
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)=(.+)$/gm)].map(([, name = "", value]) => [name, value]));
}

export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.trim() ?? "";
}
