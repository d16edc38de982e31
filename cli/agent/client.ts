/** The launcher's side of the control API. */
import http from "node:http";
import { z } from "zod";
import { errno } from "../io/files.ts";
import { joinSignals } from "../io/signals.ts";
import type { StatusData } from "../events.ts";
import { fromErrorBody, type ErrorBody } from "../errors.ts";
import type { AgentRecord } from "./record.ts";
import type { JournalEvent } from "./journal.ts";

type Address = Pick<AgentRecord, "port" | "token">;

/** A round trip to the edge, which may have much to write. */
const ASK_EDGE_MS = 10_000;

const nullable = z.string().nullable();

const statusSchema: z.ZodType<StatusData> = z.object({
  state: z.enum(["running", "degraded", "stopped"]),
  engine: z.enum(["docker", "embedded"]).nullable(),
  edition: z.literal("basic"),
  sandbox: z.boolean(),
  platform: z.object({
    url: nullable,
    services: z.array(
      z.object({
        name: z.string(),
        state: z.enum(["created", "starting", "running", "exited"]),
        health: z.enum(["healthy", "unhealthy", "starting", "none"]),
      }),
    ),
  }),
  tunnel: z
    .object({
      state: z.enum(["idle", "connecting", "open", "waiting", "closed"]),
      url: nullable,
      identifier: nullable,
      edge: z.string(),
      since: z.string(),
      reconnects: z.number(),
      rttMs: z.number().nullable(),
      retryAt: nullable,
      reason: nullable,
      held: z.object({ entries: z.number(), bytes: z.number(), dead: z.number(), oldest: nullable }).nullable(),
    })
    .nullable(),
  webhooks: z.array(
    z.object({
      source: z.literal("facebook"),
      object: z.string(),
      state: z.enum(["unconfigured", "pending", "active", "inactive", "foreign", "error"]),
      callbackUrl: nullable,
    }),
  ),
  control: z.object({ url: nullable }),
});

const eventSchema = z.looseObject({ type: z.string(), at: z.string(), seq: z.number() });

/** Rejects when the agent process does not answer within 3 s. `seq` is the number of the newest event at that time. */
export async function fetchState(agent: Address): Promise<{ status: StatusData; seq: number }> {
  const { response, body } = await request(agent, "GET", "/state", 3000);
  return { status: statusSchema.parse(JSON.parse(body)), seq: Number(response.headers["airy-seq"] ?? 0) };
}

/** Asks the agent process to stop; it ends some time after. Rejects when it does not answer within 3 s. */
export async function requestStop(agent: Address): Promise<void> {
  await request(agent, "POST", "/stop", 3000);
}

/**
 * Asks the edge, through the agent process, to send again what was set aside, or to forget all that it holds for this workspace. Returns how
 * many messages that were. Throws TUNNEL_NOT_OPEN.
 */
export async function askHeld(agent: Address, what: "replay" | "purge"): Promise<number> {
  const given = joinSignals([], ASK_EDGE_MS);
  try {
    const response = await open(agent, "POST", `/held/${what}`, given.signal);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const answer: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    if (response.statusCode === 200) return z.object({ result: z.number() }).parse(answer).result;
    throw fromErrorBody(z.object({ error: z.custom<ErrorBody>() }).parse(answer).error);
  } finally {
    given.release();
  }
}

/** Events after `since` as they come; ends when the agent process ends or the signal is aborted. Never rejects for either. */
export async function* followEvents(agent: Address, since: number, signal: AbortSignal): AsyncGenerator<JournalEvent> {
  const response = await open(agent, "GET", `/events?since=${since}`, signal).catch((error: unknown) => {
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

async function request(
  agent: Address,
  method: string,
  path: string,
  timeoutMs: number,
): Promise<{ response: http.IncomingMessage; body: string }> {
  const given = joinSignals([], timeoutMs);
  try {
    const response = await open(agent, method, path, given.signal);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf8");
    if ((response.statusCode ?? 500) >= 300) throw new Error(`${path} answered ${response.statusCode}`);
    return { response, body };
  } finally {
    given.release();
  }
}

function isGone(error: unknown): boolean {
  return ["ECONNRESET", "ECONNREFUSED", "EPIPE"].includes(errno(error) ?? "");
}

function open(agent: Address, method: string, path: string, signal: AbortSignal): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const req = http.request(
      { host: "127.0.0.1", port: agent.port, method, path, headers: { authorization: `Bearer ${agent.token}` }, agent: false, signal },
      resolve,
    );
    req.on("error", (error) => reject(signal.aborted ? signal.reason : error));
    req.end();
  });
}
