/** Whether an SSH server answers at an address: name, connection, banner. Nothing is sent. */
import dns from "node:dns/promises";
import net from "node:net";
import { dialThrough, proxyFor } from "../io/dial.ts";
import { joinSignals } from "../io/signals.ts";

export type Reached = { ok: true; banner: string } | { ok: false; reason: string };

/** @param withinMs for all of it, milliseconds. */
export async function reachEdge(edge: { host: string; port: number }, withinMs: number): Promise<Reached> {
  const deadline = Date.now() + withinMs;
  const proxy = proxyFor(edge);
  if (proxy) {
    // Names need not have an address on this side of it. What it refuses may still be reached directly, as the tunnel tries it.
    const given = joinSignals([], withinMs);
    const socket = await dialThrough(proxy, edge, given.signal).catch(() => null);
    given.release();
    if (socket) return readBanner(socket, proxy.host, edge.port, Math.max(1, deadline - Date.now()));
  }
  const looked = await lookup(edge.host, withinMs);
  if ("reason" in looked) return { ok: false, reason: looked.reason };
  return readBanner(net.connect({ host: looked.address, port: edge.port }), looked.address, edge.port, Math.max(1, deadline - Date.now()));
}

async function lookup(host: string, withinMs: number): Promise<{ address: string } | { reason: string }> {
  // RFC 6761 gives `*.localhost` to loopback, and Node asks the resolver all the same.
  if (host === "localhost" || host.endsWith(".localhost")) return { address: "127.0.0.1" };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<{ reason: string }>((resolve) => {
    timer = setTimeout(
      () => resolve({ reason: `Nobody answered within ${withinMs} ms to the question for the address of ${host}.` }),
      withinMs,
    );
  });
  const asked = dns.lookup(host).catch((error: NodeJS.ErrnoException) => ({
    reason: error.code === "ENOTFOUND" ? `The name ${host} has no address.` : `The name ${host} could not be looked up (${error.code}).`,
  }));
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

function readBanner(socket: net.Socket, address: string, port: number, withinMs: number): Promise<Reached> {
  return new Promise((resolve) => {
    let connected = !socket.connecting;
    let text = "";
    const end = (reached: Reached): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reached);
    };
    const no = (reason: string): void => end({ ok: false, reason });
    const timer = setTimeout(
      () =>
        no(
          connected
            ? `${address} took the connection and did not say "SSH-" within ${withinMs} ms.`
            : `${address} did not answer within ${withinMs} ms.`,
        ),
      withinMs,
    );
    socket.on("connect", () => (connected = true));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      no(
        error.code === "ECONNREFUSED"
          ? `Nothing listens on port ${port} of ${address}.`
          : `${address} could not be reached (${error.code}).`,
      ),
    );
    socket.on("end", () => no(`${address} closed the connection without a word of SSH.`));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      // RFC 4253, 4.2: lines before the one that starts with "SSH-" are allowed.
      const banner = /^SSH-(\S+).*$/m.exec(text);
      if (banner && text.indexOf("\n", banner.index) >= 0) return end({ ok: true, banner: banner[0].trim() });
      if (text.length > 8192) no(`What answers on port ${port} of ${address} does not speak SSH.`);
    });
  });
}
