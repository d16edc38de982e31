/**
 * The first bytes with which a proxy in front says who has connected to it: PROXY protocol, versions 1 and 2 (HAProxy,
 * doc/proxy-protocol.txt). Read from trusted proxies only, because anybody can write them.
 */
import { isIP, type Socket } from "node:net";
import { addressOf, announce, type Trust } from "./trust.ts";

/** A line of version 1 has at most 107 bytes; a version 2 header may carry fields (TLVs) behind the addresses. */
const MAX_LINE = 107;
const MAX_FIELDS = 2_048;
/** From a trusted proxy the header comes at once; one that says nothing first (an SSH client may) is not asked for it any longer. */
const HEADER_MS = 1_000;
const LINE_START = Buffer.from("PROXY ");
const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** `more`: not whole yet. `none`: this is no such header. `bad`: it is one, and malformed. `address` null: the proxy speaks for itself. */
export type ProxyHeader = "more" | "none" | "bad" | { size: number; address: string | null };

export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, LINE_START)) return bytes.length < LINE_START.length ? "more" : parseLine(bytes);
  if (startsLike(bytes, SIGNATURE)) return bytes.length < 16 ? "more" : parseBinary(bytes);
  return "none";
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  return bytes.subarray(0, start.length).equals(start.subarray(0, bytes.length));
}

function parseLine(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MAX_LINE).indexOf("\r\n");
  if (end < 0) return bytes.length < MAX_LINE ? "more" : "bad";
  const [, family = "", source = "", target = "", ...ports] = bytes.toString("latin1", 0, end).split(" ");
  const size = end + 2;
  // The rest of such a line says nothing (section 2.1).
  if (family === "UNKNOWN") return { size, address: null };
  const version = family === "TCP4" ? 4 : family === "TCP6" ? 6 : 0;
  if (version === 0 || isIP(source) !== version || isIP(target) !== version) return "bad";
  return ports.length === 2 && ports.every((port) => /^[0-9]{1,5}$/.test(port) && Number(port) <= 65_535)
    ? { size, address: source }
    : "bad";
}

function parseBinary(bytes: Buffer): ProxyHeader {
  const command = bytes[12] ?? 0;
  const family = (bytes[13] ?? 0) >> 4;
  const length = bytes.readUInt16BE(14);
  if (command >> 4 !== 2 || (command & 0xf) > 1 || length > MAX_FIELDS) return "bad";
  const size = 16 + length;
  if (bytes.length < size) return "more";
  // LOCAL: a health check of the proxy. Unix sockets and unspecified families name nobody either.
  if ((command & 0xf) === 0 || (family !== 1 && family !== 2)) return { size, address: null };
  const width = family === 1 ? 4 : 16;
  if (length < 2 * width + 4) return "bad";
  const source = bytes.subarray(16, 16 + width);
  if (width === 4) return { size, address: [...source].join(".") };
  const groups = Array.from({ length: 8 }, (_, i) => source.readUInt16BE(2 * i).toString(16));
  return { size, address: groups.join(":") };
}

/**
 * Takes the header of a connection from a trusted proxy off its beginning; `ready` is called with the connection as its sender has opened
 * it. One without such a header is the proxy's own. A malformed or late one ends the connection.
 */
export function unwrapProxied(socket: Socket, trust: Trust, ready: (socket: Socket) => void): void {
  if (!trust.has(addressOf(socket))) {
    ready(socket);
    return;
  }
  const onError = () => socket.destroy();
  let seen = Buffer.alloc(0);
  const done = () => {
    clearTimeout(timer);
    socket.off("readable", look);
    socket.off("end", onError);
  };
  const pass = () => {
    done();
    ready(socket);
    socket.off("error", onError);
  };
  const timer = setTimeout(() => (seen.length === 0 ? pass() : socket.destroy()), HEADER_MS);
  const look = () => {
    const chunk = socket.read() as Buffer | null;
    if (!chunk) return;
    seen = Buffer.concat([seen, chunk]);
    const header = parseProxyHeader(seen);
    if (header === "more") return;
    if (header === "bad") {
      socket.destroy();
      return;
    }
    if (header !== "none" && header.address !== null) announce(socket, header.address);
    const rest = header === "none" ? seen : seen.subarray(header.size);
    if (rest.length > 0) socket.unshift(rest);
    pass();
  };
  socket.on("error", onError);
  socket.once("close", done);
  socket.once("end", onError);
  socket.on("readable", look);
}
