/** Runs the steps of a plan one after the other and says how each goes. */
import { asAiryError, type AiryError } from "../errors.ts";
import type { Emit, StepState } from "../events.ts";
import type { StepId } from "./plan.ts";

/** What a step came to; `skipped` with the reason when there was nothing to do. */
export interface Outcome {
  state?: Extract<StepState, "done" | "skipped">;
  detail?: string;
}

export interface ApplyOptions {
  /** Milliseconds of any clock. */
  now?: () => number;
  /** What to say of a failure after which the step is tried again; null: it is one. */
  passing?: (failure: AiryError) => string | null;
}

export type Runner = () => Promise<Outcome>;

/**
 * Stops at the first failure, which is thrown as an AiryError after its step was marked.
 * @param runners one for each step that may come.
 */
export async function apply<I extends StepId>(
  steps: readonly { id: I }[],
  runners: Record<I, Runner>,
  emit: Emit,
  signal: AbortSignal,
  { now = () => performance.now(), passing = () => null }: ApplyOptions = {},
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
      const passes = passing(failure);
      emit({
        type: "step",
        id,
        state: passes === null ? "failed" : "skipped",
        detail: passes ?? failure.message,
        ms: Math.round(now() - began),
      });
      throw failure;
    }
  }
}
