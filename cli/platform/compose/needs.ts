/** Which images an edition needs, and whether they are here or can be had. */
import type { Profile } from "../../config/core.ts";
import type { Engine } from "../../docker/engine.ts";
import { fail } from "../../errors.ts";
import type { Io } from "../../io/io.ts";
import { coreImages } from "./core/images.ts";
import { isPresent, whyUnavailable, type ImageSet } from "./image.ts";

/** What of Airy Core runs, and whether the sandbox does beside it. */
export interface CoreParts {
  profiles: readonly Profile[];
  sandbox: boolean;
}

export interface Needs {
  /** Published by others -> the service that it is pulled for. */
  official: ReadonlyMap<string, string>;
  /** Ours, or what it is built on, where it has to be pulled. */
  own: string | null;
  /** Ours is built first. */
  builds: boolean;
}

/** @param options.core null: the basic edition. */
export async function findNeeds(
  engine: Engine,
  images: ImageSet,
  { composeDir, env, core }: { composeDir: string; env: Io["env"]; core: CoreParts | null },
): Promise<Needs> {
  const refs = core ? await coreImages(composeDir, env, core.profiles) : null;
  const official = new Map(refs ? [...refs].map(([variable, image]) => [image, serviceOf(variable)]) : [[images.postgres, "postgres"]]);
  if (core && !core.sandbox) return { official, own: null, builds: false };
  if (!images.build) return { official, own: images.own, builds: false };
  const builds = !(await isPresent(engine, images.own));
  return { official, own: builds ? images.node : null, builds };
}

/** `AIRY_CORE_API_ADMIN_IMAGE` -> `api-admin`. */
function serviceOf(variable: string): string {
  return variable
    .replace(/^AIRY_CORE_|_IMAGE$/g, "")
    .toLowerCase()
    .replaceAll("_", "-");
}

/** What has to be pulled before `up` can work. */
export async function absent(engine: Engine, { official, own }: Needs): Promise<string[]> {
  const needed = [...official.keys(), ...(own === null ? [] : [own])];
  const present = await Promise.all(needed.map((image) => isPresent(engine, image)));
  return needed.filter((_, i) => !present[i]);
}

/** What has to be made or pulled. Throws IMAGE_PULL_FAILED, IMAGES_MISSING where that cannot work. */
export async function lacking(engine: Engine, needs: Needs): Promise<string[]> {
  const lacks = await absent(engine, needs);
  const reasons = await Promise.all(lacks.map((image) => whyUnavailable(engine, image)));
  const failed = lacks.filter((_, i) => reasons[i] !== null);
  const reason = reasons.find((one) => one !== null) ?? "";
  if (failed.length > 0 && needs.official.size > 1)
    fail("IMAGES_MISSING", { images: failed.join(", "), count: failed.length, of: needs.official.size, reason });
  if (failed[0] !== undefined) fail("IMAGE_PULL_FAILED", { image: failed[0], reason });
  return needs.builds ? [...lacks, "airy's own image (built here)"] : lacks;
}
