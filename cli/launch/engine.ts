/** Which engine runs the services. The first choice is kept, because the messages are in its database. */
import type { State } from "../config/state.ts";
import type { Io } from "../io/io.ts";
import type { Platform, Usable } from "../platform/platform.ts";
import { fail } from "../errors.ts";
import { loadEngine } from "../platform/engines.ts";
import type { Emit, EngineName } from "../events.ts";

export interface EngineInput {
  /** By flag, variable or airy.yaml. */
  asked: "auto" | EngineName;
  /** What an earlier `up` has chosen. */
  state: Pick<State, "engine" | "engineAt" | "edition" | "profiles" | "sandbox">;
  /** The user's word that another docker engine is to be used. */
  adopt: boolean;
  /** Whether it is known to work, because it runs at present; then it is not asked again. */
  running: boolean;
}

export interface Chosen {
  platform: Platform;
  /** null where it was not asked. */
  usable: Usable | null;
}

/** Throws ENGINE_CONFLICT, or the code with which the engine says why it cannot be used. */
export async function chooseEngine(input: EngineInput, io: Io, emit: Emit): Promise<Chosen> {
  const { asked, state, adopt } = input;
  const { engine: stored } = state;
  if (state.edition === "core") return chooseForCore(input, io, emit);
  if (stored !== null && asked !== "auto" && asked !== stored) fail("ENGINE_CONFLICT", { stored, asked });
  const wanted = stored ?? asked;
  if (wanted !== "auto") {
    const platform = await loadEngine(wanted, io, state, adopt);
    const because = stored === null ? "as asked" : "as before";
    return { platform, usable: input.running ? null : await requireUsable(platform, emit, because) };
  }
  const docker = await loadEngine("docker", io, state, adopt);
  const facts = await docker.facts();
  if (facts.usable) {
    emit({ type: "check", id: "engine", status: "ok", message: `engine docker: ${facts.detail}` });
    return { platform: docker, usable: facts };
  }
  const embedded = await loadEngine("embedded", io, state);
  return { platform: embedded, usable: await requireUsable(embedded, emit, `docker cannot be used: ${facts.reason}`) };
}

/** There is no other engine for it, and messages that another one has stay where they are. */
async function chooseForCore({ asked, state, adopt, running }: EngineInput, io: Io, emit: Emit): Promise<Chosen> {
  if (asked === "embedded" || state.engine === "embedded") fail("EDITION_NEEDS_DOCKER", { stored: state.engine ?? "" });
  const platform = await loadEngine("docker", io, state, adopt);
  return { platform, usable: running ? null : await requireUsable(platform, emit, "for Airy Core") };
}

/** Throws the code with which the engine says why it cannot be used. */
export async function requireUsable(engine: Platform, emit: Emit, because: string): Promise<Usable> {
  const facts = await engine.facts();
  if (!facts.usable) throw facts.error;
  emit({ type: "check", id: "engine", status: "ok", message: `engine ${engine.engine} (${because}): ${facts.detail}` });
  for (const caution of facts.cautions) emit({ type: "check", status: "warn", ...caution });
  return facts;
}
