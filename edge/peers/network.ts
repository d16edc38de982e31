/** Addresses of peers, as they are counted and shown. */
import { isIP } from "node:net";

/** `::ffff:127.0.0.1` is how a dual-stack listener sees an IPv4 client. */
export function plainAddress(address = ""): string {
  return address.startsWith("::ffff:") ? address.slice(7) : address;
}

/**
 * The network that an address counts for: /24 of IPv4, /48 of IPv6, because that is what one person easily has. Anything that is not
 * an address stands for itself.
 */
export function networkOf(source: string): string {
  const address = source.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (isIP(address) === 4) return address.split(".").slice(0, 3).join(".");
  if (isIP(address) !== 6) return source;
  const [left = "", right] = address.split("::").map((half) => half.split(":").filter((group) => group !== ""));
  const groups = [...left, ...Array<string>(right ? 8 - left.length - right.length : 0).fill("0"), ...(right ?? [])];
  return groups
    .slice(0, 3)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
