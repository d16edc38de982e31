/** What a start consists of, decided from what was asked for and what is known, before anything changes. Pure. */
import type { EngineName } from "../events.ts";

export type StepId = "platform" | "tunnel" | "probe" | "page" | "webhook";

export interface Step {
  id: StepId;
  title: string;
  /** Who runs it: the launcher in the foreground, or the agent process. */
  where: "launcher" | "agent";
}

export interface PlanInput {
  engine: EngineName;
  sandbox: boolean;
  /** SSH address of the edge. */
  edge: string;
}

export function plan(input: PlanInput): Step[] {
  const steps: Step[] = [
    {
      id: "platform",
      title: input.sandbox ? "Start platform, local edge and stand-in for Facebook" : "Start the platform",
      where: input.engine === "docker" ? "launcher" : "agent",
    },
    { id: "tunnel", title: `Open the tunnel to ${input.edge}`, where: "agent" },
    { id: "probe", title: "Reach the platform through its public URL", where: "agent" },
  ];
  if (input.sandbox) steps.push({ id: "page", title: "Connect the page of the stand-in", where: "agent" });
  steps.push({ id: "webhook", title: "Register the webhook and read it back", where: "agent" });
  return steps;
}
