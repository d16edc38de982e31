/** What a start looks at before anything changes: the engine and the machine at the same time, and one report of it. */
import { preflight, type CheckResult, type PreflightInput } from "../checks/preflight.ts";
import { asAiryError, errorBody, whyOf, type AiryError } from "../errors.ts";
import type { AiryEventBody, Emit, EngineName } from "../events.ts";
import type { Io } from "../io/io.ts";
import { chooseEngine, type Chosen, type EngineInput } from "./engine.ts";
import { portWishes, type PortsInput } from "./ports.ts";

export interface LookInput {
  engine: EngineInput;
  machine: Omit<PreflightInput, "engine" | "ports">;
  ports: PortsInput;
  io: Io;
  emit: Emit;
}

export interface Looked extends Chosen {
  /** Ports that our own containers hold. */
  held: ReadonlySet<number>;
}

/** All results are shown; then what rules the start out is thrown, the engine's first. Ports that can move are left to who chooses them. */
export async function look({ engine, machine, ports, io, emit }: LookInput): Promise<Looked> {
  const none: ReadonlySet<number> = new Set();
  // What runs needs no new look at disk and memory; only a port that it does not hold yet can be taken.
  if (engine.running && portWishes(ports).length === 0) return { ...(await chooseEngine(engine, io, emit)), held: none };
  const said: AiryEventBody[] = [];
  const choosing = chooseEngine(engine, io, (event) => said.push(event)).then(async (chosen): Promise<Looked> => {
    const held = engine.running ? none : ((await chosen.platform.held?.(machine.workspace)) ?? none);
    return { ...chosen, held };
  });
  // Where the engine cannot be used, nothing of ours holds a port.
  const known = choosing.catch(() => null);
  const [chosen, results] = await Promise.all([
    choosing.catch((error: unknown) => asAiryError(error)),
    preflight({
      ...machine,
      ...(engine.running && { edge: null, graphUrl: null }),
      engine: known.then((looked): EngineName => looked?.platform.engine ?? "docker"),
      ports: known.then((looked) => portWishes({ ...ports, held: looked?.held ?? none })),
    }),
  ]);
  for (const event of said) emit(event);
  if (chosen instanceof Error) emit(failedEngine(chosen));
  for (const { error: _, ...event } of results.filter(isTold)) emit(event);
  if (chosen instanceof Error) throw chosen;
  const failed = results.find((result) => result.error);
  if (failed?.error) throw failed.error;
  return chosen;
}

function failedEngine(error: AiryError): AiryEventBody {
  const action = errorBody(error).actions[0];
  return {
    type: "check",
    id: "engine",
    status: "fail",
    message: `${error.message} ${whyOf(error)}`,
    ...(action !== undefined && { action }),
  };
}

/** The port that is taken instead is told with the new one. */
function isTold({ id, status }: CheckResult): boolean {
  return !(id.startsWith("port-") && status === "warn");
}
