/** The log of what failed, in the error. */
import { withDetails, type AiryError } from "../errors.ts";
import { joinSignals } from "../io/signals.ts";
import type { Platform } from "../platform/platform.ts";

/** Adds the last lines of the service that failed, where the error does not have them yet. Never throws. */
export async function withLog(error: AiryError, platform: Platform, workspace: string): Promise<AiryError> {
  const { service, log } = error.details;
  if (typeof service !== "string" || log !== undefined) return error;
  const lines: string[] = [];
  const given = joinSignals([], 3000);
  try {
    const options = { service, tail: 20, follow: false, signal: given.signal };
    for await (const { line } of platform.logs(workspace, options)) lines.push(line);
  } catch {
    return error;
  } finally {
    given.release();
  }
  return withDetails(error, { log: lines.slice(-20) });
}
