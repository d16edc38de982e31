/** Which engine runs the services. The first choice is kept, because the messages are in its database. */
import type { Io } from "../io/io.ts";
import type { Platform } from "../platform/platform.ts";
import { fail } from "../errors.ts";
import { loadEngine } from "../platform/engines.ts";
import type { Emit, EngineName } from "../events.ts";

export interface EngineInput {
  /** By flag, variable or airy.yaml. */
  asked: "auto" | EngineName;
  /** Chosen by an earlier `up`. */
  stored: EngineName | null;
  /** Whether it is known to work, because it runs at present; then it is not asked again. */
  running: boolean;
}

/** Throws ENGINE_CONFLICT, or the code with which the engine says why it cannot be used. */
export async function chooseEngine(input: EngineInput, io: Io, emit: Emit): Promise<Platform> {
  const { asked, stored } = input;
  if (stored !== null && asked !== "auto" && asked !== stored) fail("ENGINE_CONFLICT", { stored, asked });
  const wanted = stored ?? asked;
  if (wanted !== "auto") {
    const engine = await loadEngine(wanted, io);
    if (!input.running) await requireUsable(engine, emit, stored === null ? "as asked" : "as before");
    return engine;
  }
  const docker = await loadEngine("docker", io);
  const facts = await docker.facts();
  if (facts.usable) {
    emit({ type: "check", id: "engine", status: "ok", message: `engine docker: ${facts.detail}` });
    return docker;
  }
  const embedded = await loadEngine("embedded", io);
  await requireUsable(embedded, emit, `docker cannot be used: ${facts.reason}`);
  return embedded;
}

async function requireUsable(engine: Platform, emit: Emit, because: string): Promise<void> {
  const facts = await engine.facts();
  if (!facts.usable) throw facts.error;
  emit({ type: "check", id: "engine", status: "ok", message: `engine ${engine.engine} (${because}): ${facts.detail}` });
}
