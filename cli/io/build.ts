/** Which build this is. The constants are put in by build.mjs; run from source (tests) they are missing. */
declare const __AIRY_VERSION__: string;
declare const __AIRY_COMMIT__: string;
declare const __AIRY_BUILD__: string;

export interface Build {
  version: string;
  /** Short git commit, empty outside a checkout. */
  commit: string;
  /** Follows from the sources; an agent process of another build is replaced. */
  id: string;
}

export const build: Build = {
  version: typeof __AIRY_VERSION__ === "string" ? __AIRY_VERSION__ : "0.0.0-source",
  commit: typeof __AIRY_COMMIT__ === "string" ? __AIRY_COMMIT__ : "",
  id: typeof __AIRY_BUILD__ === "string" ? __AIRY_BUILD__ : "source",
};
