/** A network namespace with one link to this machine, whose packets can be dropped both ways without anybody being told. Needs root. */
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Namespace {
  /** In front of a command that is to run inside. */
  enter: string[];
  /** Address of this machine on the link. */
  outside: string;
  hole(open: boolean): Promise<void>;
  /** Everything inside must have ended. */
  close(): Promise<void>;
}

/** Null where namespaces or nftables are not to be had. */
export async function openNamespace(): Promise<Namespace | null> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return null;
  const id = randomInt(0x10_000).toString(16).padStart(4, "0");
  const [name, near, far] = [`airy-${id}`, `airy${id}n`, `airy${id}f`];
  // 198.18.0.0/15 is for benchmarks (RFC 2544); a /30 of it.
  const base = `198.18.${randomInt(256)}`;
  const last = 4 * randomInt(64);
  const inside = (...command: string[]) => run("ip", ["netns", "exec", name, ...command]);
  const close = async () => {
    await run("ip", ["link", "del", near]).catch(() => {});
    await run("ip", ["netns", "del", name]).catch(() => {});
  };
  try {
    await run("nft", ["--version"]);
    await run("ip", ["netns", "add", name]);
    await run("ip", ["link", "add", near, "type", "veth", "peer", "name", far, "netns", name]);
    await run("ip", ["addr", "add", `${base}.${last + 1}/30`, "dev", near]);
    await run("ip", ["link", "set", near, "up"]);
    await inside("ip", "addr", "add", `${base}.${last + 2}/30`, "dev", far);
    await inside("ip", "link", "set", far, "up");
    await inside("ip", "link", "set", "lo", "up");
    await inside("nft", "add table inet hole");
  } catch {
    await close();
    return null;
  }
  return {
    enter: ["ip", "netns", "exec", name],
    outside: `${base}.${last + 1}`,
    hole: async (open) => {
      if (!open) {
        await inside("nft", "flush table inet hole");
        return;
      }
      await inside("nft", "add chain inet hole in { type filter hook input priority 0; }");
      await inside("nft", "add chain inet hole out { type filter hook output priority 0; }");
      await inside("nft", `add rule inet hole in iifname ${far} drop`);
      await inside("nft", `add rule inet hole out oifname ${far} drop`);
    },
    close,
  };
}
