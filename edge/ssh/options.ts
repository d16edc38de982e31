/** What the SSH server is given, and asks of the rest of the edge. */
import type { RefusalCode } from "../errors.ts";
import type { LimitName, Limits } from "../limits.ts";
import type { Trust } from "../peers/trust.ts";
import type { Call, Hello } from "../wire/messages.ts";
import type { Client } from "../tunnels/registry.ts";
import type { Tunnel } from "../tunnels/tunnel.ts";

export interface NameRequest {
  key: Buffer;
  /** Of the client. */
  address: string;
  /** null: the name that follows from the key. */
  name: string | null;
  ephemeral: boolean;
}

export interface SshServerOptions {
  host: string;
  port: number;
  /** OpenSSH format. */
  hostKey: string;
  limits: () => Limits;
  trust: Trust;
  /** Something has exceeded that limit. */
  onRefused: (limit: LimitName) => void;
  allowed: (client: Client) => boolean;
  /** Finds or claims the name; durable before it answers. `leave` gives its place among the key's tunnels back. */
  nameFor: (request: NameRequest) => Promise<{ name: string; leave: () => void } | { refused: RefusalCode }>;
  urlOf: (name: string) => string;
  /** The name that a bind address asks for (`ssh -R NAME:80:...`); null: it asks for none. */
  nameAsked: (bindAddress: string) => string | null;
  /** Where a client with this key will be reached if it asks for no other name; null: that is not known yet. */
  urlOfKey: (key: Buffer) => string | null;
  /** Sets up what the client asked for under its name, before it is welcomed; resolves with how long webhooks are held, hours. */
  prepare: (name: string, hello: Hello) => Promise<number>;
  /** A tunnel is about to open: resolves when nobody else serves its name. */
  announce: (tunnel: Tunnel) => Promise<void>;
  onTunnel: (tunnel: Tunnel, client: Client) => void;
  /** `lost`: the connection broke, so the client may come back at once. */
  onTunnelClosed: (tunnel: Tunnel, lost: boolean) => void;
  onCall: (tunnel: Tunnel, call: Call) => Promise<unknown>;
  log: (line: string) => void;
}
