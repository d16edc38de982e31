/** `airy requests`: what came through the tunnel, and one of it in full. */
import { askRequests, followEvents, requireAnswer, showRequest } from "../agent/client.ts";
import type { ShownMessage } from "../agent/inspect.ts";
import { findAgent } from "../agent/record.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import type { RequestRecord } from "../events.ts";
import type { Options } from "./table.ts";

/** Throws INVALID_ARGUMENT, NOT_RUNNING, AGENT_SILENT, REQUEST_UNKNOWN. */
export async function runRequests(options: Options<"requests">, ctx: Context): Promise<void> {
  const { io, out, signal } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const agent = (await findAgent(paths)) ?? fail("NOT_RUNNING", { workspace: paths.root });
  await requireAnswer(agent);
  if (options.what === "show") {
    const id = options.id ?? fail("INVALID_ARGUMENT", { command: "requests", reason: "Say which request: airy requests show ID." });
    const shown = await showRequest(agent, id);
    const { request, response } = shown;
    const answer = response ? messageText(`${response.status} after ${response.durationMs} ms`, response) : "There was no answer.";
    return out.result(shown, { text: `${messageText(`${request.method} ${request.target}`, request)}\n\n${answer}` });
  }
  const wanted = ({ status }: RequestRecord): boolean => !options.failed || status === 0 || status >= 400;
  const { counters, requests, seq } = await askRequests(agent);
  const found = requests.filter(wanted).toReversed();
  const tell = (request: RequestRecord): void => {
    out.item({ type: "request", request });
    out.line(requestLine(request));
  };
  for (const request of found) tell(request);
  if (options.follow) {
    for await (const event of followEvents(agent, seq, signal)) {
      if (event.type === "request" && wanted(event.request)) tell(event.request);
    }
  }
  const summary = counters
    ? `${counters.requests} since the start, ${counters.failed} failed, ${counters.refused} refused (401 or 403).`
    : "The tunnel has not been opened yet.";
  out.result(
    { counters, shown: found.length },
    { text: summary, hint: found.length > 0 && !options.follow ? "headers and bodies: airy requests show ID" : "" },
  );
}

function requestLine({ id, at, method, path, status, durationMs }: RequestRecord): string {
  return `${id.padStart(5)}  ${at.slice(11, 19)}  ${String(status || "none").padEnd(4)} ${method.padEnd(5)} ${path}  ${durationMs} ms`;
}

function messageText(title: string, { headers, body, indented, encoding, cut }: ShownMessage): string {
  const lines = [title, ...headers.map(([name, value]) => `  ${name}: ${value}`)];
  if (body !== "") lines.push("", encoding === "base64" ? `(base64) ${body}` : (indented ?? body));
  if (cut > 0) lines.push(`(${cut} bytes more were not kept)`);
  return lines.join("\n");
}
