/** A stand-in for Facebook: the Graph API endpoints Airy uses, deliveries signed like Meta's, and a command channel to write as a customer. */
import { randomBytes } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { GRAPH_VERSION, metaJson } from "../../facebook/contract.ts";
import { answerCommand } from "./commands.ts";
import type { FacebookSandboxConfig } from "./config.ts";
import { CommandError, GraphError, commandErrors, graphErrors } from "./errors.ts";
import { answerGraph } from "./graph.ts";
import { readGraphRequest } from "./request.ts";
import { createState } from "./state.ts";

export type { FacebookSandboxConfig };

export interface RunningFacebookSandbox {
  port: number;
  /** Stops listening and waits for deliveries under way (at most their 5 seconds each). */
  close(): Promise<void>;
}

/** One delivery under way may take its 5 seconds; a client that never finishes its request is cut off. */
const CLOSE_GRACE_MS = 6_000;

/** Starts the stand-in; rejects with Node's own error when the port cannot be had. */
export async function startFacebookSandbox(config: FacebookSandboxConfig): Promise<RunningFacebookSandbox> {
  const state = createState();
  const underWay = new Set<Promise<unknown>>();
  const later = (work: Promise<unknown>) => {
    const tracked = work.finally(() => underWay.delete(tracked));
    underWay.add(tracked);
  };

  const server = http.createServer((req, res) => {
    later(
      answer(req)
        .then(({ status, value, headers }) => send(res, status, value, headers))
        .catch((error: unknown) => {
          config.log(`an answer could not be sent: ${error instanceof Error ? error.message : "unknown"}`);
          res.destroy();
        }),
    );
  });

  async function answer(req: http.IncomingMessage): Promise<Answer> {
    const target = req.url ?? "/";
    const base = "http://sandbox";
    if (!target.startsWith("/") || !URL.canParse(target, base)) return graphRefusal(graphErrors.unknownPath("/"));
    const url = new URL(target, base);
    if (url.pathname === "/health") return { status: 200, value: { status: "ok" } };
    if (url.pathname.startsWith("/sandbox/")) {
      return answerCommand(config, state, req, url.pathname).then((value) => ({ status: 200, value }), commandRefusal);
    }
    try {
      const request = await readGraphRequest(req, url, GRAPH_VERSION);
      return { status: 200, value: await answerGraph(config, state, request, later) };
    } catch (error) {
      return graphRefusal(error);
    }
  }

  function graphRefusal(error: unknown): Answer {
    const refusal = error instanceof GraphError ? error : graphErrors.internal();
    if (refusal !== error) logBug(error);
    const { status, message, type, code, subcode } = refusal;
    const trace = `A${randomBytes(16).toString("base64url")}`;
    const body = { message, type, code, ...(subcode === null ? {} : { error_subcode: subcode }), fbtrace_id: trace };
    return { status, value: { error: body }, headers: { "x-fb-trace-id": trace } };
  }

  function commandRefusal(error: unknown): Answer {
    const refusal = error instanceof CommandError ? error : commandErrors.internal();
    if (refusal !== error) logBug(error);
    return { status: refusal.status, value: { error: { code: refusal.code, message: refusal.message, layer: refusal.layer } } };
  }

  function logBug(error: unknown): void {
    config.log(`internal error: ${error instanceof Error ? (error.stack ?? error.message) : "unknown"}`);
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.listen.port, config.listen.host, () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  config.log(`stand-in for Facebook listens on ${config.listen.host}:${port}: app ${config.app.id}, page ${config.page.id}`);

  return {
    port,
    async close() {
      state.closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
      while (underWay.size > 0) await Promise.allSettled(underWay);
      server.closeAllConnections();
      clearTimeout(timer);
      await closed;
    },
  };
}

interface Answer {
  status: number;
  value: unknown;
  headers?: Record<string, string>;
}

/** Graph API answers are escaped like deliveries, and `<` as well, so that no browser reads markup in them. */
function send(res: http.ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  const body = Buffer.from(metaJson(value).toString("latin1").replaceAll("<", "\\u003C"), "latin1");
  res.writeHead(status, {
    "content-type": "application/json; charset=UTF-8",
    "content-length": body.length,
    "cache-control": "no-store",
    ...headers,
  });
  res.end(body);
}
