/** An error for people: what happened, why we think so, what to type. */
import { errorBody, whyOf, type AiryError } from "../errors.ts";
import { asCalled } from "./called.ts";

/**
 * ```
 * error: Port 4200 is taken. (PORT_TAKEN)
 *   why  It is held by node (pid 4711).
 *   do   airy up --port N
 * ```
 */
export function errorText(error: AiryError): string {
  const body = errorBody(error);
  const lines = [`error: ${asCalled(body.message)} (${body.code})`, ...indented("why", asCalled(whyOf(error)))];
  for (const action of body.actions) lines.push(...indented("do ", asCalled(action)));
  const log = body.details.log;
  if (Array.isArray(log) && log.length > 0)
    lines.push(`  last lines of ${body.details.service ?? "the log"}:`, ...log.map((l) => `    ${l}`));
  return lines.join("\n");
}

function indented(label: string, text: string): string[] {
  return text.split("\n").map((line, i) => `  ${i === 0 ? label : "   "}  ${line}`);
}
