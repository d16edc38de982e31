/** What the operator can ask: alive, ready, and a few numbers. Not public: it listens on an address of its own. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { EdgeError } from "../errors.ts";
import type { Hold } from "../hold/hold.ts";
import type { Refusals } from "../limits.ts";
import type { RunningIngress } from "../ingress/server.ts";
import type { Presence } from "../tunnels/presence.ts";
import type { Probe } from "./probe.ts";
import type { RunningSshServer } from "../ssh/server.ts";
import type { Certificates } from "../tls/certificate.ts";
import type { RunningFront } from "../tls/front.ts";

export interface AdminOptions {
  host: string;
  port: number;
  presence: Presence;
  ingress: RunningIngress;
  ssh: RunningSshServer;
  front: RunningFront | null;
  certificates: Certificates | null;
  refusals: Refusals;
  hold: Hold;
  probe: Probe;
  stopping: () => boolean;
}

export interface RunningAdmin {
  port: number;
  close(): void;
}

export async function startAdmin(options: AdminOptions): Promise<RunningAdmin> {
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
      metrics(options).then(
        (text) => send(200, "text/plain; version=0.0.4", text),
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

type Row = [name: string, type: string, help: string, value: number];

function tlsRows(front: RunningFront | null, certificates: Certificates | null): Row[] {
  if (!front || !certificates) return [];
  const ends = certificates.expiries().map(({ notAfter }) => Math.round(notAfter / 1000));
  const rows: Row[] = [
    ["airy_edge_certificates", "gauge", "Certificates in use.", ends.length],
    ["airy_edge_certificate_failures_total", "counter", "Certificates that could not be read or fetched.", certificates.failures()],
    ["airy_edge_tls_handshakes_failed_total", "counter", "TLS handshakes that came to nothing.", front.failed()],
  ];
  // Without a certificate there is no such time.
  if (ends.length > 0)
    rows.push(["airy_edge_certificate_expiry_seconds", "gauge", "When the first certificate expires, Unix time.", Math.min(...ends)]);
  return rows;
}

function limited(refusals: Refusals): string {
  const name = "airy_edge_limited_total";
  const values = [...refusals.entries()].map(([limit, count]) => `${name}{limit="${limit}"} ${count}\n`);
  return `# HELP ${name} What a limit has refused.\n# TYPE ${name} counter\n${values.join("")}`;
}

async function metrics({ presence, ingress, ssh, front, certificates, hold, refusals }: AdminOptions): Promise<string> {
  const held = await hold.counts();
  const rows: Row[] = [
    ["airy_edge_tunnels", "gauge", "Tunnels that are open, the edge's own probe included.", presence.size],
    ["airy_edge_requests_total", "counter", "HTTP requests received.", ingress.counters.requests],
    ["airy_edge_requests_refused_total", "counter", "HTTP requests answered by the edge itself.", ingress.counters.refused],
    ["airy_edge_requests_in_flight", "gauge", "HTTP requests under way.", ingress.inFlight()],
    ["airy_edge_ssh_unauthenticated", "gauge", "SSH connections that have not proven a key.", ssh.unauthenticated()],
    ["airy_edge_held_webhooks", "gauge", "Webhooks acknowledged and not delivered yet.", held.entries],
    ["airy_edge_held_bytes", "gauge", "Bytes of held webhooks, dead letters included.", held.bytes],
    ["airy_edge_dead_letters", "gauge", "Webhooks set aside.", held.dead],
    ["airy_edge_held_acknowledged_total", "counter", "Webhooks acknowledged after they were stored.", held.acknowledged],
    ["airy_edge_damaged_places", "gauge", "Places on disk that were found damaged at the start; the log says which.", hold.damaged],
    ...tlsRows(front, certificates),
    ["process_resident_memory_bytes", "gauge", "Resident memory.", process.memoryUsage.rss()],
  ];
  return (
    rows.map(([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`).join("") +
    limited(refusals)
  );
}
