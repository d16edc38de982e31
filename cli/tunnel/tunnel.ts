/** The tunnel client: one SSH connection to the edge, kept up forever, that carries public requests to a local service. */
import type { RequestRecord, TunnelStatus } from "../launch/events.ts";

export interface TunnelConfig {
  /** SSH address of the edge. */
  edge: { host: string; port: number };
  /** `known`: the edge's public key (`ssh-ed25519 AAAA...`) was handed over. `pin`: learnt on first contact, kept in this file. */
  hostKey: { kind: "known"; key: string } | { kind: "pin"; file: string };
  /** Private key in OpenSSH format; the public name follows from it. */
  identity: string;
  /** The local service. */
  target: { host: string; port: number };
  /** Path prefixes that are public; empty = all. */
  paths: string[];
  /** Path prefixes whose POSTs the edge may acknowledge and keep while they cannot be delivered. */
  hold: string[];
  onStatus: (status: TunnelStatus) => void;
  onRequest: (request: RequestRecord) => void;
  log: (line: string) => void;
}

export interface RunningTunnel {
  status(): TunnelStatus;
  /** The last 20 requests, newest first. */
  requests(): RequestRecord[];
  /** Resolves when the tunnel is open for the first time; rejects with an AiryError when it never will be. */
  opened: Promise<TunnelStatus>;
  close(): Promise<void>;
}

export function startTunnel(config: TunnelConfig): RunningTunnel {
  throw new Error(`not built yet: ${config.edge.host}`);
}
