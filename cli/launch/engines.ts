/** Engine name -> Platform, loaded only when it is used. */
import path from "node:path";
import type { Io } from "../io/io.ts";
import type { Platform } from "../platform/platform.ts";
import { fail } from "../report/errors.ts";
import type { EngineName } from "./events.ts";

export async function loadEngine(name: EngineName, io: Io): Promise<Platform> {
  if (name === "docker") {
    return fail("DOCKER_DOWN", { reason: "the docker engine is not part of this build yet" });
  }
  const { createEmbedded } = await import("../platform/embedded/embedded.ts");
  return createEmbedded({
    host: { os: io.os, arch: io.arch, uid: io.uid, path: io.env.PATH ?? "", kill: io.kill },
    pid: io.pid,
    webDir: path.join(path.dirname(io.script), "web"),
  });
}
