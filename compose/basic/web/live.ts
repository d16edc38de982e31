/** Live events: STOMP over WebSocket, connected again by itself. */
import { Client } from "@stomp/stompjs";
import { type LiveEvent, liveEvent } from "./shapes.ts";

const known = new Set<string>(["message.created", "message.updated", "metadata.updated", "channel.updated"] satisfies LiveEvent["type"][]);

interface LiveOptions {
  /** Events arrive from now on; what happened before has to be read from the API. */
  onLive: () => void;
  onLost: () => void;
  onEvent: (event: LiveEvent) => void;
}

/** Returns what ends the connection. */
export function connectLive(options: LiveOptions): () => void {
  const url = new URL("/ws.communication", window.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const client = new Client({ brokerURL: url.href, reconnectDelay: 2000, connectionTimeout: 10_000 });
  client.onConnect = () => {
    client.subscribe("/events", (frame) => {
      const event = read(frame.body);
      if (event !== null) options.onEvent(event);
    });
    options.onLive();
  };
  client.onWebSocketClose = options.onLost;
  client.activate();
  return () => void client.deactivate();
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
