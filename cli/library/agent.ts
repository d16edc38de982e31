/** The library's one function; what it promises is in api.ts. */
import { EventEmitter } from "node:events";
import path from "node:path";
import { generateKey } from "../../edge/names/key.ts";
import { configHome } from "../config/home.ts";
import { parseEdge } from "../launch/edge.ts";
import { parseTargets } from "../proxy/targets.ts";
import { Gate } from "../tunnel/gate.ts";
import { startTunnel } from "../tunnel/tunnel.ts";
import type * as api from "./api.ts";

export const startAgent: typeof api.startAgent = async (options) => {
  const { target, edgeKey, identity, verify, signal } = options;
  const routes = parseTargets(typeof target === "object" ? target : [String(target)]);
  const emitter = new EventEmitter<api.AgentEvents>();
  const tunnel = startTunnel({
    edge: parseEdge(options.edge ?? null, "proxy", options),
    hostKey:
      edgeKey === undefined ? { kind: "pin", file: path.join(configHome(process.env), "known_edges") } : { kind: "known", key: edgeKey },
    identity: identity ?? generateKey("airy").privateKey,
    target: routes[0].target,
    routes,
    hostHeader: options.hostHeader ?? null,
    gate: new Gate({ verify: verify ? { secrets: verify.secrets, sha1: verify.sha1 ?? false } : null, fail: null }),
    paths: [...(options.paths ?? [])],
    hold: [...(options.hold ?? [])],
    holdSigned: verify !== undefined,
    name: options.name ?? null,
    ephemeral: identity === undefined && options.name === undefined,
    onRefused: "close",
    onStatus: (status) => emitter.emit("status", status),
    onRequest: (request) => emitter.emit("request", request),
    onService: (change) => emitter.emit("service", change),
    log: () => {},
  });
  const giveUp = (): void => void tunnel.close();
  signal?.addEventListener("abort", giveUp, { once: true });
  if (signal?.aborted) giveUp();
  try {
    const { url } = await tunnel.opened;
    const agent: api.Agent = {
      url: url ?? "",
      status: () => tunnel.status(),
      on: (event, listener) => {
        emitter.on(event, listener as never);
        return agent;
      },
      off: (event, listener) => {
        emitter.off(event, listener as never);
        return agent;
      },
      closed: tunnel.closed,
      close: () => tunnel.close(),
      [Symbol.asyncDispose]: () => tunnel.close(),
    };
    return agent;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
};
