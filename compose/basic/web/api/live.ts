/** Live events: STOMP over WebSocket, connected again by itself. */
import { Client } from "@stomp/stompjs";
import { type LiveEvent, liveEvent } from "./shapes.ts";

const known = new Set<string>([
  "message.created",
  "message.updated",
  "metadata.updated",
  "channel.updated",
  "tag.updated",
] satisfies LiveEvent["type"][]);

interface LiveOptions {
  /** Events arrive from now on; what happened before has to be read from the API. */
  onLive: () => void;
  onLost: () => void;
  /** Events of one moment come together, in their order. */
  onEvents: (events: LiveEvent[]) => void;
}

/** Many messages a second are shown in as many steps as the eye takes. */
const GATHER_MS = 50;

/** Returns what ends the connection. */
export function connectLive(options: LiveOptions): () => void {
  const url = new URL("/ws.communication", window.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const client = new Client({
    brokerURL: url.href,
    reconnectDelay: 2000,
    connectionTimeout: 10_000,
    // A connection that died with the laptop's sleep is noticed within two of these.
    heartbeatIncoming: 10_000,
    heartbeatOutgoing: 10_000,
  });
  let gathered: LiveEvent[] = [];
  let later: ReturnType<typeof setTimeout> | null = null;
  const hand = () => {
    later = null;
    const events = gathered;
    gathered = [];
    if (events.length > 0) options.onEvents(events);
  };
  client.onConnect = () => {
    client.subscribe("/events", (frame) => {
      const event = read(frame.body);
      if (event === null) return;
      gathered.push(event);
      later ??= setTimeout(hand, GATHER_MS);
    });
    options.onLive();
  };
  client.onWebSocketClose = options.onLost;
  client.activate();
  return () => {
    if (later !== null) clearTimeout(later);
    void client.deactivate();
  };
}

/** null for what this page does not know, which a newer platform may well send. */
function read(body: string): LiveEvent | null {
  const json: unknown = parse(body);
  if (typeof json !== "object" || json === null || !("type" in json) || !known.has(String(json.type))) return null;
  const event = liveEvent.safeParse(json);
  return event.success ? event.data : null;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
