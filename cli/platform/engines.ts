/** Engine name -> Platform, loaded only when it is used. */
import path from "node:path";
import type { Io } from "../io/io.ts";
import type { Platform } from "./platform.ts";
import type { EngineName } from "../events.ts";

export async function loadEngine(name: EngineName, io: Io): Promise<Platform> {
  if (name === "docker") {
    const { createCompose } = await import("./compose/compose.ts");
    return createCompose({ env: io.env, uid: io.uid, os: io.os, distDir: path.dirname(io.script) });
  }
  const { createEmbedded } = await import("./embedded/embedded.ts");
  return createEmbedded({
    host: { os: io.os, arch: io.arch, uid: io.uid, path: io.env.PATH ?? "", kill: io.kill },
    pid: io.pid,
    webDir: path.join(path.dirname(io.script), "web"),
  });
}
