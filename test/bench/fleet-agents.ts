/**
 * Many agents in one process, started by the fleet bench. `tunnels`: the real client, with its reconnecting. `connections`: nothing but the
 * connection to the edge, for idle tunnels by the thousand. Says over IPC whenever one of them opens or is lost.
 */
import { generateKey } from "../../edge/names/key.ts";
import { connect } from "../../cli/tunnel/connect.ts";
import { startTunnel } from "../../cli/tunnel/tunnel.ts";

export interface FleetOrder {
  kind: "tunnels" | "connections";
  count: number;
  edge: { host: string; port: number };
  hostKey: string;
  /** Of the local service. */
  target: number;
}

/** `at`: milliseconds since 1970. */
export interface FleetNews {
  what: "open" | "lost";
  agent: number;
  at: number;
  host: string;
}

/** So many handshakes are under way at a time when they are all begun by us. */
const ATONCE = 16;

process.once("message", (order: FleetOrder) => void (order.kind === "tunnels" ? tunnels(order) : connections(order)));
process.once("disconnect", () => process.exit(0));

function say(what: FleetNews["what"], agent: number, url: string | null): void {
  process.send?.({ what, agent, at: Date.now(), host: url ? new URL(url).host : "" } satisfies FleetNews);
}

async function tunnels({ count, edge, hostKey, target }: FleetOrder): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let agent = next++; agent < count; agent = next++) {
      let open = false;
      const tunnel = startTunnel({
        edge,
        hostKey: { kind: "known", key: hostKey },
        identity: generateKey("fleet").privateKey,
        target: { host: "127.0.0.1", port: target },
        paths: [],
        hold: [],
        holdSigned: true,
        onRefused: "retry",
        onStatus: ({ state, url }) => {
          if ((state === "open") === open) return;
          open = !open;
          say(open ? "open" : "lost", agent, url);
        },
        onRequest: () => {},
        log: () => {},
      });
      await tunnel.opened;
    }
  };
  await Promise.all(Array.from({ length: ATONCE }, worker));
}

async function connections({ count, edge, hostKey }: FleetOrder): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let agent = next++; agent < count; agent = next++) {
      const { welcome } = await connect({
        edge,
        hostKey,
        hostKeyFile: null,
        identity: generateKey("fleet").privateKey,
        hello: { agent: "fleet", name: null, ephemeral: false, instance: String(agent), hold: [], holdSigned: true },
        onRequest: () => {},
        onGoAway: () => {},
        onStatus: () => {},
        onPong: () => {},
        onClose: () => say("lost", agent, null),
        signal: new AbortController().signal,
      });
      say("open", agent, welcome.url);
    }
  };
  await Promise.all(Array.from({ length: ATONCE }, worker));
}
