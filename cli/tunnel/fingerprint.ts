/** Which host key an edge shows, before it is trusted with anything: the handshake ends with it, and nobody signs in. */
import ssh2 from "ssh2";
import { dial, dialThrough, proxyFor } from "../io/dial.ts";
import { joinSignals } from "../io/signals.ts";

/** The key, `ssh-ed25519 AAAA...`; null where the edge was not reached in time. Of several keys the one that the tunnel takes. */
export async function hostKeyOf(edge: { host: string; port: number }, signal: AbortSignal, withinMs: number): Promise<string | null> {
  const given = joinSignals([signal], withinMs);
  try {
    const proxy = proxyFor(edge);
    const through = proxy && (await dialThrough(proxy, edge, given.signal).catch(() => null));
    const socket = through ?? (await dial(edge, given.signal));
    const client = new ssh2.Client();
    return await new Promise<string | null>((resolve) => {
      const end = (key: string | null): void => {
        client.destroy();
        resolve(key);
      };
      given.signal.addEventListener("abort", () => end(null), { once: true });
      client.on("error", () => end(null));
      client.on("close", () => end(null));
      client.connect({
        sock: socket,
        username: "airy",
        hostVerifier: (key: Buffer) => {
          end(`${key.toString("latin1", 4, 4 + key.readUInt32BE(0))} ${key.toString("base64")}`);
          return false;
        },
        algorithms: { serverHostKey: ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"] },
        readyTimeout: withinMs,
      });
    });
  } catch {
    return null;
  } finally {
    given.release();
  }
}
