/** The public side of the tunnel: an SSH server for clients and an HTTP ingress for everybody else. `startEdge` is the one way in. */

export interface EdgeConfig {
  /** Names are `<identifier>.<domain>`. */
  domain: string;
  /** Port 0 picks a free one. */
  ssh: { host: string; port: number };
  http: { host: string; port: number };
  /** Health and state for the operator; null: none. */
  admin: { host: string; port: number } | null;
  /** Claims, the host key and held webhooks live here. */
  dataDir: string;
  /** Private host key in OpenSSH format; null: one is made in `dataDir` on first start. */
  hostKey: string | null;
  /** Port in the URLs that clients are told; null: the HTTP listener's own. */
  publicPort: number | null;
  log: (line: string) => void;
}

export interface RunningEdge {
  sshPort: number;
  httpPort: number;
  adminPort: number | null;
  /** `ssh-ed25519 AAAA...` */
  hostKey: string;
  /** Stops accepting, lets requests in flight finish (at most `graceMs`), then closes. */
  close(graceMs?: number): Promise<void>;
}

export async function startEdge(config: EdgeConfig): Promise<RunningEdge> {
  throw new Error(`not built yet: ${config.domain}`);
}
