/** A Graph API that answers what a test tells it to. */
import http from "node:http";
import type { AddressInfo } from "node:net";

interface GraphCall {
  method: string;
  path: string;
  query: URLSearchParams;
  authorization: string | undefined;
  body: unknown;
}

type Reply = { status: number; body: unknown } | "hang" | "drop";

export interface GraphServer {
  url: string;
  calls: GraphCall[];
  /** Replaces the answer to `POST /me/messages`; `hang` never answers. */
  onSend: (call: GraphCall) => Reply | Promise<Reply>;
  subscribedFields: string[] | null;
  /** Replaces the answer to every other path. */
  onOther: (call: GraphCall) => Reply | Promise<Reply>;
  /** Resolves with the next call to a path ending in `suffix`. */
  next(suffix: string): Promise<GraphCall>;
  close(): Promise<void>;
}

export async function startGraphServer(appId: string): Promise<GraphServer> {
  const waiting: { suffix: string; resolve: (call: GraphCall) => void }[] = [];
  let sent = 0;
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const call = {
        method: request.method ?? "",
        path: (request.url ?? "").replace(/\?.*/, ""),
        query: new URLSearchParams((request.url ?? "").replace(/^[^?]*/, "")),
        authorization: request.headers.authorization,
        body: text.startsWith("{") ? (JSON.parse(text) as unknown) : text === "" ? null : text,
      };
      graph.calls.push(call);
      for (const waiter of waiting.splice(0)) {
        if (call.path.endsWith(waiter.suffix)) waiter.resolve(call);
        else waiting.push(waiter);
      }
      const reply = await answer(call);
      if (reply === "hang") return;
      if (reply === "drop") return void response.destroy();
      response.writeHead(reply.status, { "content-type": "application/json" }).end(JSON.stringify(reply.body));
    });
  });

  function answer(call: GraphCall): ReturnType<GraphServer["onSend"]> {
    if (call.path.endsWith("/me/messages")) return graph.onSend(call);
    if (call.path.endsWith("/me/subscribed_apps") && call.method === "POST") {
      graph.subscribedFields ??= String((call.body as { subscribed_fields: string }).subscribed_fields).split(",");
      return { status: 200, body: { success: true } };
    }
    if (call.path.endsWith("/me/subscribed_apps")) {
      return { status: 200, body: { data: [{ id: appId, name: "App", subscribed_fields: graph.subscribedFields ?? [] }] } };
    }
    return graph.onOther(call);
  }

  const graph: GraphServer = {
    url: "",
    calls: [],
    onSend: () => ({ status: 200, body: { recipient_id: "2002", message_id: `m_sent_${(sent += 1)}` } }),
    subscribedFields: null,
    onOther: () => ({ status: 404, body: { error: { message: "unknown path", code: 2500 } } }),
    next: (suffix) => new Promise((resolve) => waiting.push({ suffix, resolve })),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  graph.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return graph;
}
