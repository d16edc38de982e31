/** The launcher's side of the control API. */
import { z } from "zod";
import { errno } from "../io/files.ts";
import { createHttpClient, openHttp, type HttpRequest } from "../io/http.ts";
import type { Replayed, ShownExchange } from "./inspect.ts";
import { statusSchema, type RequestRecord, type StatusData } from "../events.ts";
import { fail, fromErrorBody, type ErrorBody } from "../errors.ts";
import type { AgentRecord } from "./record.ts";
import type { JournalEvent } from "./journal.ts";

type Address = Pick<AgentRecord, "port" | "token">;

/** A round trip to the edge, which may have much to write. */
const ASK_EDGE_MS = 10_000;
const ANSWER_MS = 3000;
/** Longer than the platform may take to answer a request that is sent to it again. */
const REPLAY_MS = 40_000;

const http = createHttpClient();

const eventSchema = z.looseObject({ type: z.string(), at: z.string(), seq: z.number() });

/** Rejects when the agent process does not answer within 3 s. `seq` is the number of the newest event at that time. */
export async function fetchState(agent: Address): Promise<{ status: StatusData; seq: number }> {
  const { status, headers, body } = await http({ ...requestOf(agent, "GET", "/state"), timeoutMs: ANSWER_MS });
  if (status !== 200) throw new Error(`/state answered ${status}`);
  return { status: statusSchema.parse(JSON.parse(String(body))), seq: Number(headers["airy-seq"] ?? 0) };
}

/** For whoever needs the agent process at work. Throws AGENT_SILENT. */
export async function requireAnswer(agent: AgentRecord): Promise<StatusData> {
  return fetchState(agent).then(
    ({ status }) => status,
    (cause: unknown) => fail("AGENT_SILENT", { pid: agent.pid }, { cause }),
  );
}

/** Asks the agent process to stop; it ends some time after. Rejects when it does not answer within 3 s. */
export async function requestStop(agent: Address): Promise<void> {
  const { status } = await http({ ...requestOf(agent, "POST", "/stop"), timeoutMs: ANSWER_MS });
  if (status >= 300) throw new Error(`/stop answered ${status}`);
}

/**
 * Asks the edge, through the agent process, to send again what was set aside, or to forget all that it holds for this workspace. Returns
 * how many messages that were. Throws TUNNEL_NOT_OPEN.
 */
export async function askHeld(agent: Address, what: "replay" | "purge"): Promise<number> {
  const { status, body } = await http({ ...requestOf(agent, "POST", `/held/${what}`), timeoutMs: ASK_EDGE_MS });
  const answer: unknown = JSON.parse(String(body));
  if (status === 200) return z.object({ result: z.number() }).parse(answer).result;
  throw fromErrorBody(z.object({ error: z.custom<ErrorBody>() }).parse(answer).error);
}

const checkedSchema = z.object({
  repairs: z.array(z.string()),
  failure: z.custom<ErrorBody>().nullable(),
  since: z.number(),
  status: statusSchema,
});

/** As long as the calls to a source may take together. */
const CHECK_MS = 60_000;

/**
 * Lets the agent process look at webhook and pages at the source, and mend what is this workspace's. Returns what it put right, its status
 * then, and what it could not put right. Rejects when it does not answer.
 */
export async function requestCheck(agent: Address, replaceWebhook: boolean): Promise<z.output<typeof checkedSchema>> {
  const path = `/webhook/check${replaceWebhook ? "?replace=true" : ""}`;
  const { status, body } = await http({ ...requestOf(agent, "POST", path), timeoutMs: CHECK_MS });
  if (status !== 200) throw new Error(`/webhook/check answered ${status}`);
  return checkedSchema.parse(JSON.parse(String(body)));
}

const requestsSchema = z.object({
  counters: z.object({ requests: z.number(), failed: z.number(), refused: z.number() }).nullable(),
  requests: z.array(z.custom<RequestRecord>()),
  seq: z.number(),
});

/** The last requests, newest first; `seq` is the number of the newest event. Rejects when the agent process does not answer. */
export async function askRequests(agent: Address): Promise<z.output<typeof requestsSchema>> {
  const { body } = await http({ ...requestOf(agent, "GET", "/requests"), timeoutMs: ANSWER_MS });
  return requestsSchema.parse(JSON.parse(String(body)));
}

/** Throws REQUEST_UNKNOWN. */
export function showRequest(agent: Address, id: string): Promise<ShownExchange> {
  return askRequest(agent, "GET", `/requests/${encodeURIComponent(id)}`, id);
}

/** @param change where to instead, and a body in base64. Throws REQUEST_UNKNOWN, REQUEST_CUT, REPLAY_FAILED, INVALID_ARGUMENT. */
export function replayRequest(
  agent: Address,
  id: string,
  change: { to?: string | undefined; body?: string | undefined },
): Promise<Replayed> {
  return askRequest(agent, "POST", `/requests/${encodeURIComponent(id)}/replay`, id, change);
}

async function askRequest<T>(agent: Address, method: string, path: string, id: string, value?: unknown): Promise<T> {
  const request = {
    ...requestOf(agent, method, path),
    timeoutMs: REPLAY_MS,
    ...(value === undefined ? {} : { body: JSON.stringify(value) }),
  };
  const { status, body } = await http(request);
  const answer: unknown = JSON.parse(String(body));
  if (status === 200) return answer as T;
  if (status === 404) return fail("REQUEST_UNKNOWN", { id });
  throw fromErrorBody(z.object({ error: z.custom<ErrorBody>() }).parse(answer).error);
}

/** Events after `since` as they come; ends when the agent process ends or the signal is aborted. Never rejects for either. */
export async function* followEvents(agent: Address, since: number, signal: AbortSignal): AsyncGenerator<JournalEvent> {
  const response = await openHttp({ ...requestOf(agent, "GET", `/events?since=${since}`), signal }).catch((error: unknown) => {
    if (signal.aborted || isGone(error)) return null;
    throw error;
  });
  if (!response) return;
  let rest = "";
  response.setEncoding("utf8");
  try {
    for await (const chunk of response) {
      const lines = `${rest}${String(chunk)}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield eventSchema.parse(JSON.parse(line)) as unknown as JournalEvent;
    }
  } catch (error) {
    // A connection that breaks off is the end of the stream as well: the process at the other end is gone, or nobody listens any more.
    if (!signal.aborted && !isGone(error)) throw error;
  } finally {
    response.destroy();
  }
}

function isGone(error: unknown): boolean {
  return ["ECONNRESET", "ECONNREFUSED", "EPIPE"].includes(errno(error) ?? "");
}

function requestOf(agent: Address, method: string, path: string): Pick<HttpRequest, "method" | "url" | "headers"> {
  return { method, url: `http://127.0.0.1:${agent.port}${path}`, headers: { authorization: `Bearer ${agent.token}` } };
}
