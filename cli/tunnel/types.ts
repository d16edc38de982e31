/** What a tunnel is told, and what it tells. */
import type { AiryError } from "../errors.ts";
import type { RequestRecord, TunnelStatus } from "../events.ts";
import type { Gate } from "./gate.ts";
import type { Recorder } from "./recorder.ts";
import type { Route, ServiceChange, Target } from "./services.ts";

/** A private key in OpenSSH format, or the socket of an agent that has one (`$SSH_AUTH_SOCK`). */
export type Login = string | { agent: string };

/**
 * An SSH server that knows nothing of edges: OpenSSH's sshd, sish, a public service. It forwards one port, and does nothing else for us.
 */
export interface PlainServer {
  user: string;
  /** Under which it is reached; null: read from what the server prints. */
  publicUrl: string | null;
  /** Port that the server listens on for us. */
  remotePort: number;
}

export interface EdgeAddress {
  host: string;
  port: number;
  /** Tried when `port` does not answer: an edge may speak SSH beside HTTPS. */
  fallbackPort?: number | undefined;
  /** Present: not an edge. */
  plain?: PlainServer | undefined;
}

export interface TunnelConfig {
  /** SSH address of the edge, or of any SSH server. */
  edge: EdgeAddress;
  /** `known`: the edge's public key (`ssh-ed25519 AAAA...`) was handed over. `pin`: learnt on first contact, kept in this file. */
  hostKey: { kind: "known"; key: string } | { kind: "pin"; file: string };
  /** Who connects; the public name follows from the key. */
  identity: Login;
  /** Further keys, for an SSH server that is not an edge. */
  otherIdentities?: readonly Login[];
  /** The local service. */
  target: Target;
  /** Several of them, by path, in place of `target`. */
  routes?: readonly Route[];
  /** Host header at the local service; `rewrite`: its own address; default: as it came. */
  hostHeader?: string | null;
  /** What is answered in place of the local service; default: nothing. */
  gate?: Gate;
  /** A local service does not take connections, or does again. */
  onService?: (change: ServiceChange) => void;
  /** A local service has answered a request, of which {@link onRequest} will tell. */
  onAnswer?: () => void;
  /** Path prefixes that are public; empty = all. */
  paths: string[];
  /** Path prefixes whose POSTs the edge may acknowledge and keep while they cannot be delivered. */
  hold: string[];
  /** Hold only what carries a well-formed `X-Hub-Signature-256`, so that strangers cannot fill the store. */
  holdSigned: boolean;
  /** A chosen name; default: the one that follows from the key. */
  name?: string | null;
  /** A random name, forgotten with the connection. */
  ephemeral?: boolean;
  /** When the edge refuses for good: `close` the tunnel, or show it and `retry` slowly. */
  onRefused: "close" | "retry";
  onStatus: (status: TunnelStatus) => void;
  onRequest: (request: RequestRecord) => void;
  /** An edge that was never met before is trusted, and its host key (`SHA256:...`) pinned. */
  onFirstContact?: (fingerprint: string) => void;
  /** Whether headers and bodies of the last requests are kept in memory. */
  inspect?: boolean;
  log: (line: string) => void;
}

export interface RunningTunnel {
  status(): TunnelStatus;
  /** IP address of the edge, while there is a connection. */
  edgeAddress(): string | null;
  /** What has come through. */
  readonly traffic: Pick<Recorder, "list" | "counters" | "exchange">;
  /** Resolves when the tunnel is open for the first time; rejects with the AiryError of a refusal, or when it is closed before. */
  opened: Promise<TunnelStatus>;
  /** Resolves when the tunnel is closed for good; the code says why, null when it was told to. */
  closed: Promise<AiryError | null>;
  /** Webhooks that the local service refused for good, as the edge keeps them. Throws TUNNEL_NOT_OPEN. */
  deadLetters(): Promise<unknown>;
  /** Sends all of these again; resolves with how many. Throws TUNNEL_NOT_OPEN. */
  replayDead(): Promise<number>;
  /** Makes the edge forget what it holds for this tunnel, and hold nothing more; resolves with how many. Throws TUNNEL_NOT_OPEN. */
  purgeHeld(): Promise<number>;
  /** Lets requests in flight finish (at most 5 s), then ends the connection. */
  close(): Promise<void>;
}
