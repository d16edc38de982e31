/** Runs the steps of a plan one after the other and says how each goes. */
import { asAiryError } from "../errors.ts";
import type { Emit, StepState } from "../events.ts";
import type { StepId } from "./plan.ts";

/** What a step came to; `skipped` with the reason when there was nothing to do. */
export interface Outcome {
  state?: Extract<StepState, "done" | "skipped">;
  detail?: string;
}

export type Runner = () => Promise<Outcome>;

/**
 * Stops at the first failure, which is thrown as an AiryError after its step was marked.
 * @param runners one for each step that may come.
 * @param now milliseconds of any clock.
 */
export async function apply<I extends StepId>(
  steps: readonly { id: I }[],
  runners: Record<I, Runner>,
  emit: Emit,
  signal: AbortSignal,
  now: () => number = () => performance.now(),
): Promise<void> {
  for (const { id } of steps) {
    signal.throwIfAborted();
    const began = now();
    emit({ type: "step", id, state: "running" });
    try {
      const { state = "done", detail } = await runners[id]();
      emit({ type: "step", id, state, ...(detail === undefined ? {} : { detail }), ms: Math.round(now() - began) });
    } catch (error) {
      const failure = signal.aborted ? asAiryError(signal.reason) : asAiryError(error);
      emit({ type: "step", id, state: "failed", detail: failure.message, ms: Math.round(now() - began) });
      throw failure;
    }
  }
}
