/** Whether an SSH server answers at an address: name, connection, banner. Nothing is sent. */
import dns from "node:dns/promises";
import net from "node:net";

export type Reached = { ok: true; banner: string } | { ok: false; reason: string };

/** @param withinMs for all of it, milliseconds. */
export async function reachEdge(edge: { host: string; port: number }, withinMs: number): Promise<Reached> {
  const deadline = Date.now() + withinMs;
  const looked = await lookup(edge.host, withinMs);
  if ("reason" in looked) return { ok: false, reason: looked.reason };
  return readBanner(looked.address, edge.port, Math.max(1, deadline - Date.now()));
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

function readBanner(address: string, port: number, withinMs: number): Promise<Reached> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port });
    let connected = false;
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
