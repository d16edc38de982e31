/** What the operator can ask: alive, ready, and a few numbers. Not public: it listens on an address of its own. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { EdgeError } from "../errors.ts";
import type { MetricsOptions } from "./metrics.ts";
import type { Probe } from "./probe.ts";

export interface AdminOptions extends MetricsOptions {
  host: string;
  port: number;
  probe: Probe;
  stopping: () => boolean;
}

export interface RunningAdmin {
  port: number;
  close(): void;
}

export async function startAdmin(options: AdminOptions): Promise<RunningAdmin> {
  // Loaded where somebody asks: an edge in a sandbox has no such address.
  const { openMetrics } = await import("./metrics.ts");
  const registry = await openMetrics(options);
  const server = http.createServer((request, response) => {
    const send = (status: number, type: string, body: string) => {
      response.writeHead(status, { "Content-Type": type, "X-Content-Type-Options": "nosniff" });
      response.end(body);
    };
    if (request.method !== "GET") send(405, "text/plain", "GET only\n");
    else if (request.url === "/healthz") send(200, "text/plain", "ok\n");
    else if (request.url === "/readyz") {
      const [status, text] = readiness(options);
      send(status, "text/plain", `${text}\n`);
    } else if (request.url === "/metrics") {
      registry.metrics().then(
        (text) => send(200, registry.contentType, text),
        (error: Error) => send(500, "text/plain", `${error.message}\n`),
      );
    } else send(404, "text/plain", "There is /healthz, /readyz and /metrics.\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new EdgeError("EDGE_ADDRESS", `admin ${options.host}:${options.port}: ${error.code}`));
    });
    server.listen(options.port, options.host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function readiness({ stopping, probe }: AdminOptions): [status: number, text: string] {
  if (stopping()) return [503, "stopping"];
  if (probe.fresh()) return [200, "ready"];
  return [
    503,
    Number.isFinite(probe.age()) ? `no request has passed for ${Math.round(probe.age() / 1000)} s` : "no request has passed yet",
  ];
}
