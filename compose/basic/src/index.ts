/** The basic platform: webhook in, Postgres, Airy's API and WebSocket out. `startPlatform` is the one way in. */

export interface PlatformConfig {
  /** `postgres://user:password@host:port/database`; Postgres 15 to 18. */
  databaseUrl: string;
  /** Port 0 picks a free one. */
  listen: { host: string; port: number };
  /** Host names, without port, that API and page answer to beside the loopback names (a compose service name). */
  allowedHosts: string[];
  /** null: no Facebook app is configured; deliveries are refused with 401. */
  facebook: FacebookConfig | null;
  /** Folder with the built inbox page. */
  webDir: string;
  /** One line of log, without secrets. */
  log: (line: string) => void;
}

export interface FacebookConfig {
  appId: string;
  appSecret: string;
  verifyToken: string;
  /** Base of the Graph API without version, e.g. `https://graph.facebook.com`. */
  graphUrl: string;
}

export interface RunningPlatform {
  port: number;
  /** Finishes requests in flight (at most 5 s), then closes the database connections. */
  close(): Promise<void>;
}

export async function startPlatform(config: PlatformConfig): Promise<RunningPlatform> {
  throw new Error(`not built yet: ${config.listen.port}`);
}
