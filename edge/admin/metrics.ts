/** What an edge counts, for Prometheus. templates/airy-edge.rules.yaml and airy-edge-dashboard.json name these. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import type { Hold } from "../hold/hold.ts";
import type { RunningIngress } from "../ingress/server.ts";
import type { Refusals } from "../limits.ts";
import type { RunningSshServer } from "../ssh/server.ts";
import type { Certificates } from "../tls/certificate.ts";
import type { RunningFront } from "../tls/front.ts";
import type { Presence } from "../tunnels/presence.ts";

export interface MetricsOptions {
  presence: Presence;
  ingress: RunningIngress;
  ssh: RunningSshServer;
  front: RunningFront | null;
  certificates: Certificates | null;
  refusals: Refusals;
  hold: Hold;
}

/** Everything is counted where it happens; this reads it when it is asked for. */
export async function openMetrics(options: MetricsOptions): Promise<Registry> {
  const registry = new Registry();
  const registers = [registry];
  // Ten times a second is enough to see a loop that stands still.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  const gauge = (name: string, help: string, read: () => number) => {
    new Gauge({ name, help, registers, collect: set((self: Gauge) => self.set(read())) });
  };
  const counter = (name: string, help: string, read: () => number) => {
    const collect = set((self: Counter) => {
      self.reset();
      self.inc(read());
    });
    new Counter({ name, help, registers, collect });
  };
  const { presence, ingress, ssh, hold, refusals } = options;
  gauge("airy_edge_tunnels", "Tunnels that are open, the edge's own probe included.", () => presence.size);
  counter("airy_edge_requests_total", "HTTP requests received.", () => ingress.counters.requests);
  counter("airy_edge_requests_refused_total", "HTTP requests answered by the edge itself.", () => ingress.counters.refused);
  gauge("airy_edge_requests_in_flight", "HTTP requests under way.", () => ingress.inFlight());
  gauge("airy_edge_ssh_unauthenticated", "SSH connections that have not proven a key.", () => ssh.unauthenticated());
  new Counter({
    name: "airy_edge_limited_total",
    help: "What a limit has refused.",
    labelNames: ["limit"],
    registers,
    collect: set((self: Counter<"limit">) => {
      self.reset();
      for (const [limit, count] of refusals.entries()) self.inc({ limit }, count);
    }),
  });
  // One look at the store for all of them.
  let held = await hold.counts();
  new Gauge({
    name: "airy_edge_held_webhooks",
    help: "Webhooks acknowledged and not delivered yet.",
    registers,
    async collect() {
      held = await hold.counts();
      this.set(held.entries);
    },
  });
  gauge("airy_edge_held_bytes", "Bytes of held webhooks, dead letters included.", () => held.bytes);
  gauge("airy_edge_dead_letters", "Webhooks set aside.", () => held.dead);
  counter("airy_edge_held_acknowledged_total", "Webhooks acknowledged after they were stored.", () => held.acknowledged);
  gauge("airy_edge_damaged_places", "Places on disk that were found damaged at the start; the log says which.", () => hold.damaged);
  const { front, certificates } = options;
  if (!front || !certificates) return registry;
  gauge("airy_edge_certificates", "Certificates in use.", () => certificates.expiries().length);
  counter("airy_edge_certificate_failures_total", "Certificates that could not be read or fetched.", () => certificates.failures());
  counter("airy_edge_tls_handshakes_failed_total", "TLS handshakes that came to nothing.", () => front.failed());
  new Gauge({
    name: "airy_edge_certificate_expiry_seconds",
    help: "When the first certificate expires, Unix time.",
    registers,
    // Without a label it would be 0 while there is none, as if it had expired.
    labelNames: ["host"],
    collect: set((self: Gauge<"host">) => {
      self.reset();
      const first = certificates.expiries().toSorted((a, b) => a.notAfter - b.notAfter)[0];
      if (first) self.set({ host: first.name }, Math.round(first.notAfter / 1000));
    }),
  });
  return registry;
}

/** A reader as prom-client calls it. */
function set<T>(read: (self: T) => void): (this: T) => void {
  return function (this: T) {
    read(this);
  };
}
