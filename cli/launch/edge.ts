/** The edge's SSH address as people write it. */
import { fail } from "../errors.ts";

const DEFAULT_EDGE = "tunnel.airy.co";
const DEFAULT_PORT = 22;

export interface EdgeAddress {
  host: string;
  /** 22 unless told. */
  port: number;
}

/** `host`, `host:port`, `[v6]:port`. Throws INVALID_ARGUMENT. */
export function parseEdge(text: string | null, command: string): EdgeAddress {
  const given = text ?? DEFAULT_EDGE;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(given);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    return fail("INVALID_ARGUMENT", { command, reason: `The edge is given as HOST or HOST:PORT; got "${given}".` });
  }
  return { host, port };
}
