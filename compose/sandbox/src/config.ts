/** What the stand-in is started with. */
import type { SettingsPatch } from "./settings.ts";

export interface HttpAnswer {
  status: number;
  headers?: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer;
}

export interface FacebookSandboxConfig {
  /** Port 0 picks a free one. */
  listen: { host: string; port: number };
  app: { id: string; secret: string; name: string };
  page: { id: string; name: string; token: string };
  /** Bearer token of the command channel (`/sandbox/...`), and of the chat page. */
  commandToken: string;
  /** Folder for what survives a restart, made when it is not there; null or absent: nothing survives. */
  dataDir?: string | null;
  /** Folder with the built chat page; null or absent: there is none. */
  chatDir?: string | null;
  /** How a browser on this machine reaches the stand-in, for the addresses of pictures; default `http://127.0.0.1:<port>`. */
  publicUrl?: string | null;
  /** How fast its clock goes; default 1, the machine's speed. */
  speed?: number;
  /** Deviations from what Meta does; see settings.ts. */
  settings?: SettingsPatch;
  /** Sends handshakes and deliveries; rejects when nothing answers. */
  http: (request: {
    method: string;
    url: string;
    headers: Record<string, string>;
    body?: Uint8Array;
    timeoutMs: number;
  }) => Promise<HttpAnswer>;
  log: (line: string) => void;
}
