/**
 * `airy-up` as a library: a tunnel from code, for test suites and tools. This file is what TypeScript sees of the package (build.mjs puts
 * it beside the bundle), so it imports nothing.
 */

export interface AgentOptions {
  /** As on the command line: `3000`, `"localhost:3000"`, `"/viber=http://localhost:4000/hook"`; several by path. */
  target: number | string | readonly string[];
  /** `HOST[:PORT]`, or `USER@HOST[:PORT]` of an SSH server that is not an edge. Default: tunnel.airy.co */
  edge?: string;
  /** Public host key of the edge, `ssh-ed25519 AAAA...`. Default: pinned on first contact, as airy-proxy does. */
  edgeKey?: string;
  /** With `USER@HOST`: where this machine is reached, and the port there. */
  publicUrl?: string;
  remotePort?: number;
  /** Private key in OpenSSH format, from which the public name follows. Default: one of the moment, with a name of the moment. */
  identity?: string;
  name?: string;
  /** Path prefixes that are public. Default: all. */
  paths?: readonly string[];
  /** Path prefixes whose POSTs the edge may keep while they cannot be delivered. Default: none. */
  hold?: readonly string[];
  /** Host header at the local server; `rewrite`: its own address. Default: the public one. */
  hostHeader?: string;
  /** Let through only what Meta has signed with one of these app secrets. */
  verify?: { secrets: readonly string[]; sha1?: boolean };
  /** Gives up, when the tunnel is not open by then. */
  signal?: AbortSignal;
}

export interface AgentStatus {
  state: "idle" | "connecting" | "open" | "waiting" | "closed";
  url: string | null;
  /** How many times the connection was lost and made again. */
  reconnects: number;
  /** While `waiting` or `closed`: the code of what ended the connection. */
  reason: string | null;
}

export interface AgentRequest {
  method: string;
  /** Without the query, which may hold secrets. */
  path: string;
  /** 0: aborted before an answer. */
  status: number;
  durationMs: number;
  bytesIn: number;
  bytesOut: number;
}

export interface AgentEvents {
  status: [status: AgentStatus];
  /** A request is over. */
  request: [request: AgentRequest];
  /** A local server does not take connections, or does again. */
  service: [change: { url: string; up: boolean; reason: string }];
}

export interface Agent extends AsyncDisposable {
  /** Public base URL, without a slash at the end. */
  readonly url: string;
  status(): AgentStatus;
  on<E extends keyof AgentEvents>(event: E, listener: (...details: AgentEvents[E]) => void): this;
  off<E extends keyof AgentEvents>(event: E, listener: (...details: AgentEvents[E]) => void): this;
  /** Resolves when the tunnel is closed for good, with an error that has a `code` where it was not by {@link close}. */
  readonly closed: Promise<(Error & { code: string }) | null>;
  /** Lets requests in flight finish, at most 5 s. */
  close(): Promise<void>;
}

/** Resolves when the tunnel is open. Rejects with an error that has a `code` (`SSH_AUTH`, `NAME_TAKEN`, `INVALID_ARGUMENT`, ...). */
export declare function startAgent(options: AgentOptions): Promise<Agent>;
