/** Which addresses the platform may fetch pictures from: those of the public internet, and the stand-in for Facebook. */
import dns from "node:dns";
import net from "node:net";

/**
 * IANA's special-purpose registries: this machine, its networks, and what leads to them. Node asks the IPv4 rules about addresses mapped
 * into IPv6; a rule for `::ffff:0:0/96` would match every IPv4 address.
 */
const reserved = new net.BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const) {
  reserved.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 96],
  ["64:ff9b::", 32],
  ["100::", 64],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const) {
  reserved.addSubnet(network, prefix, "ipv6");
}

function isPublic(address: string): boolean {
  return !reserved.check(address, net.isIPv6(address) ? "ipv6" : "ipv4");
}

/** For sockets: names that lead only to reserved addresses are not found. The address that was checked is the one that is used. */
export const publicLookup: net.LookupFunction = (hostname, options, callback) => {
  dns.lookup(hostname, { ...options, all: true }, (error, found) => {
    const open = (found ?? []).filter(({ address }) => isPublic(address));
    const [first] = open;
    if (error || !first) return callback(error ?? new Error(`${hostname} is not on the public internet`), "", 0);
    if (options.all) return callback(null, open);
    callback(null, first.address, first.family);
  });
};

/**
 * Where to fetch `address` from, null when it may not be fetched. A stand-in for Facebook names its pictures as a browser on its machine
 * reaches them; from here it is reached under the address of its Graph API.
 * @param standIn base of the stand-in's Graph API, null when Facebook itself is meant.
 */
export function reachable(address: string, standIn: URL | null): { url: URL; checked: boolean } | null {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  if (url.username !== "" || url.password !== "") return null;
  if (standIn !== null && (url.origin === standIn.origin || isLoopback(url.hostname))) {
    return { url: new URL(`${url.pathname}${url.search}`, standIn), checked: false };
  }
  if (url.protocol !== "https:" || url.port !== "") return null;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  // Sockets do not look up what is an address already.
  if (net.isIP(host) !== 0 && !isPublic(host)) return null;
  return { url, checked: true };
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || hostname.startsWith("127.");
}
