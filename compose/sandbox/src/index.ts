/** A stand-in for Facebook: the Graph API endpoints Airy uses, deliveries signed like Meta's, and a command channel to write as a customer. */

export interface FacebookSandboxConfig {
  /** Port 0 picks a free one. */
  listen: { host: string; port: number };
  app: { id: string; secret: string; name: string };
  page: { id: string; name: string; token: string };
  /** Bearer token of the command channel (`/sandbox/...`). */
  commandToken: string;
  /** Sends handshakes and deliveries; rejects when nothing answers. */
  http: (request: {
    method: string;
    url: string;
    headers: Record<string, string>;
    body?: Uint8Array;
    timeoutMs: number;
  }) => Promise<{ status: number; body: Buffer }>;
  log: (line: string) => void;
}

export interface RunningFacebookSandbox {
  port: number;
  close(): Promise<void>;
}

export async function startFacebookSandbox(config: FacebookSandboxConfig): Promise<RunningFacebookSandbox> {
  throw new Error(`not built yet: ${config.listen.port}`);
}
