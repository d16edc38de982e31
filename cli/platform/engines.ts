/** Engine name -> Platform, loaded only when it is used. */
import path from "node:path";
import type { State } from "../config/state.ts";
import type { EngineName } from "../events.ts";
import type { Io } from "../io/io.ts";
import type { Platform } from "./platform.ts";

/**
 * @param state where the workspace's messages are, for an engine that there can be several of; null before there are any.
 * @param adopt the user's word that another one is to be used from now on.
 */
export async function loadEngine(
  name: EngineName,
  io: Io,
  state: Pick<State, "engineAt" | "edition" | "profiles" | "sandbox"> | null,
  adopt = false,
): Promise<Platform> {
  if (name === "docker") {
    const { createCompose } = await import("./compose/compose.ts");
    const core = state?.edition === "core" ? { profiles: state.profiles, sandbox: state.sandbox ?? false } : null;
    return createCompose({ ...io, distDir: path.dirname(io.script), at: state?.engineAt ?? null, adopt, core });
  }
  const { createEmbedded } = await import("./embedded/embedded.ts");
  return createEmbedded({
    host: { os: io.os, arch: io.arch, uid: io.uid, path: io.env.PATH ?? "", kill: io.kill },
    pid: io.pid,
    webDir: path.join(path.dirname(io.script), "web"),
  });
}
