/** What becomes of an agent process that runs already. Looks only. */
import { fetchState } from "../agent/client.ts";
import type { AgentRecord } from "../agent/record.ts";
import { isUp } from "../agent/status.ts";
import type { StatusData } from "../events.ts";
import { retry } from "../io/retry.ts";
import type { Course } from "../steps/plan.ts";

export interface CourseInput {
  /** The living agent process. */
  agent: AgentRecord | null;
  /** The build of this program. */
  build: string;
  /** Hash of what it is to run; null where secrets are missing, so that it cannot be what runs. */
  config: string | null;
}

export interface Found {
  course: Course;
  /** What the process that goes on says of itself. */
  live: { status: StatusData; seq: number } | null;
}

export async function findCourse({ agent, build, config }: CourseInput): Promise<Found> {
  if (!agent) return { course: { kind: "start" }, live: null };
  if (agent.build !== build) return replace("it is of another build");
  if (agent.config !== config) return replace("the configuration has changed");
  if (agent.phase === "stopping") return replace("it is stopping");
  // One that starts has much to do, and may be slow to answer.
  const delaysMs = agent.phase === "starting" ? [0, 0] : [];
  const live = await retry(() => fetchState(agent).catch(() => null), { delaysMs, again: (found) => found === null });
  if (!live) return replace("it does not answer");
  if (agent.phase === "starting") return { course: { kind: "await" }, live: null };
  const { tunnel, platform, engine } = live.status;
  // It does not try again: two clients with one key would take the name from each other for ever.
  if (tunnel?.state === "closed") return replace(`its tunnel is closed (${tunnel.reason ?? "stopped"})`, tunnel.reason === "TAKEN_OVER");
  const mend = live.status.state !== "running" && !platform.services.every(isUp);
  if (mend && engine === "embedded") return replace("a service is down");
  return { course: { kind: "join", mend }, live };
}

function replace(because: string, takenOver = false): Found {
  return { course: { kind: "replace", because, takenOver }, live: null };
}
