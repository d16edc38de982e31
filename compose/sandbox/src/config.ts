/** What the stand-in is started with. */
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
