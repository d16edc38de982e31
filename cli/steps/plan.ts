/** What a start consists of, decided from what was asked for and what is known, before anything changes. Pure. */
import type { EngineName } from "../events.ts";

type LauncherStepId = "stop" | "images" | "platform";
type AgentStepId = "platform" | "tunnel" | "probe" | "page" | "webhook";
export type StepId = LauncherStepId | AgentStepId;

/** `where`: who runs it, the launcher in the foreground or the agent process. */
export type Step = { title: string } & ({ id: LauncherStepId; where: "launcher" } | { id: AgentStepId; where: "agent" });

/**
 * What becomes of the agent process: there is none; it goes on, with the services that it needs or after they were mended; a start of
 * somebody else is under way; another one takes its place.
 */
export type Course =
  | { kind: "start" }
  | { kind: "join"; mend: boolean }
  | { kind: "await" }
  | { kind: "replace"; because: string; takenOver: boolean };

export interface PlanInput {
  engine: EngineName;
  sandbox: boolean;
  /** SSH address of the edge. */
  edge: string;
  course: Course;
  /** Images that have to be pulled or built first. */
  lacks: readonly string[];
}

export function plan(input: PlanInput): Step[] {
  const { engine, sandbox, edge, course, lacks } = input;
  const steps: Step[] = [];
  if (course.kind === "replace") {
    steps.push({ id: "stop", title: `Stop the background process that runs: ${course.because}`, where: "launcher" });
  }
  if (course.kind === "join" && !course.mend) return steps;
  const title = sandbox ? "Start platform, local edge and stand-in for Facebook" : "Start the platform";
  if (lacks.length > 0) steps.push({ id: "images", title: `Get ${lacks.join(", ")}`, where: "launcher" });
  steps.push({ id: "platform", title, where: engine === "docker" ? "launcher" : "agent" });
  if (course.kind === "join") return steps;
  steps.push({ id: "tunnel", title: `Open the tunnel to ${edge}`, where: "agent" });
  steps.push({ id: "probe", title: "Reach the platform through its public URL", where: "agent" });
  if (sandbox) steps.push({ id: "page", title: "Connect the page of the stand-in", where: "agent" });
  steps.push({ id: "webhook", title: "Register the webhook and read it back", where: "agent" });
  return steps;
}

/** The part of the plan that one of the two runs. */
export function stepsFor<W extends Step["where"]>(where: W, steps: readonly Step[]): Extract<Step, { where: W }>[] {
  return steps.filter((step): step is Extract<Step, { where: W }> => step.where === where);
}
