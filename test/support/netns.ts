/**
 * A network namespace that reaches this machine through a router of its own, which can be told to drop every packet: a black hole in the
 * middle, as on a real line. (Dropped on the way out of a host, packets are known to it as lost, and it repeats them sooner.) Needs root.
 */
import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Namespace {
  /** In front of a command that is to run inside. */
  enter: string[];
  /** Address of this machine as seen from inside. */
  outside: string;
  hole(open: boolean): Promise<void>;
  /** Everything inside must have ended. */
  close(): Promise<void>;
}

/** Null where namespaces or nftables are not to be had. */
export async function openNamespace(): Promise<Namespace | null> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return null;
  const id = randomInt(0x10_000).toString(16).padStart(4, "0");
  const [inside, router, link] = [`airy-${id}`, `airy-${id}r`, `airy${id}`];
  // 198.18.0.0/15 is for benchmarks (RFC 2544); a /29 of it: here and the router, the router and inside.
  const [base, last] = [`198.18.${randomInt(256)}`, 8 * randomInt(32)];
  const [here, routerHere, net, routerInside, there] = [1, 2, 4, 5, 6].map((n) => `${base}.${last + n}`);
  const ip = (...args: string[]) => run("ip", args);
  const inRouter = (...command: string[]) => ip("netns", "exec", router, ...command);
  const close = async () => {
    await ip("link", "del", link).catch(() => {});
    await ip("netns", "del", inside).catch(() => {});
    await ip("netns", "del", router).catch(() => {});
  };
  try {
    for (const name of [inside, router]) {
      await ip("netns", "add", name);
      await ip("-n", name, "link", "set", "lo", "up");
    }
    await ip("link", "add", link, "type", "veth", "peer", "name", "out", "netns", router);
    await ip("-n", router, "link", "add", "in", "type", "veth", "peer", "name", "out", "netns", inside);
    await ip("addr", "add", `${here}/30`, "dev", link);
    await ip("-n", router, "addr", "add", `${routerHere}/30`, "dev", "out");
    await ip("-n", router, "addr", "add", `${routerInside}/30`, "dev", "in");
    await ip("-n", inside, "addr", "add", `${there}/30`, "dev", "out");
    await ip("link", "set", link, "up");
    for (const device of ["in", "out"]) await ip("-n", router, "link", "set", device, "up");
    await ip("-n", inside, "link", "set", "out", "up");
    await ip("route", "add", `${net}/30`, "via", `${routerHere}`);
    await ip("-n", inside, "route", "add", "default", "via", `${routerInside}`);
    await inRouter("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    await inRouter("nft", "add table inet hole");
    await inRouter("nft", "add chain inet hole through { type filter hook forward priority 0; }");
  } catch {
    await close();
    return null;
  }
  return {
    enter: ["ip", "netns", "exec", inside],
    outside: `${here}`,
    hole: async (open) => {
      await inRouter("nft", open ? "add rule inet hole through drop" : "flush chain inet hole through");
    },
    close,
  };
}
