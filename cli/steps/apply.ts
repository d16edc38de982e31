/** Runs the steps of a plan one after the other and says how each goes. */
import { asAiryError } from "../errors.ts";
import type { Emit, StepState } from "../events.ts";
import type { StepId } from "./plan.ts";

/** What a step came to; `skipped` with the reason when there was nothing to do. */
export interface Outcome {
  state?: Extract<StepState, "done" | "skipped">;
  detail?: string;
}

export interface Job {
  id: StepId;
  run: () => Promise<Outcome>;
}

/**
 * Stops at the first failure, which is thrown as an AiryError after its step was marked.
 * @param now milliseconds of any clock.
 */
export async function apply(
  jobs: readonly Job[],
  emit: Emit,
  signal: AbortSignal,
  now: () => number = () => performance.now(),
): Promise<void> {
  for (const job of jobs) {
    signal.throwIfAborted();
    const began = now();
    emit({ type: "step", id: job.id, state: "running" });
    try {
      const { state = "done", detail } = await job.run();
      emit({ type: "step", id: job.id, state, ...(detail === undefined ? {} : { detail }), ms: Math.round(now() - began) });
    } catch (error) {
      const failure = signal.aborted ? asAiryError(signal.reason) : asAiryError(error);
      emit({ type: "step", id: job.id, state: "failed", detail: failure.message, ms: Math.round(now() - began) });
      throw failure;
    }
  }
}
