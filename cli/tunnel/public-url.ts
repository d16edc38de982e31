/**
 * Whether the URL that an edge gives a tunnel can be its own to give. What follows is asked of that URL, and registered elsewhere. Pure.
 */
import net from "node:net";

const nearby = new net.BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
] as const) {
  nearby.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 127],
  ["fc00::", 7],
  ["fe80::", 10],
] as const) {
  nearby.addSubnet(network, prefix, "ipv6");
}

/** Of this machine or a network around it (RFC 6890). An IPv4 address in IPv6 dress (::ffff:10.0.0.1) counts as what it is. */
export function isNearby(address: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  const family = net.isIP(plain);
  return family !== 0 && nearby.check(plain, family === 6 ? "ipv6" : "ipv4");
}

/** The client's side of the welcome. */
export interface Given {
  url: string;
  identifier: string;
  /** As the user named the edge. */
  edgeHost: string;
  /** What that name led to. */
  edgeAddress: string;
}

/** What is wrong with the URL, in one sentence; null when nothing is. */
export function faultInUrl({ url, identifier, edgeHost, edgeAddress }: Given): string | null {
  const { hostname } = new URL(url);
  const [label, ...rest] = hostname.split(".");
  const domain = rest.join(".");
  if (net.isIP(hostname) !== 0 || hostname.startsWith("[") || label !== identifier || domain === "") {
    return `It gave this tunnel the URL ${url}, which does not begin with the tunnel's name, ${identifier}.`;
  }
  if (domain === "localhost" || domain.endsWith(".localhost")) {
    return isNearby(edgeAddress) ? null : `It gave this tunnel the URL ${url}, which leads to this machine and not to the edge.`;
  }
  const host = edgeHost.toLowerCase().replace(/\.$/, "");
  // An address, and a name that only means something nearby, say nothing about domains.
  if (net.isIP(host) !== 0 || !host.includes(".") || host.endsWith(".localhost") || related(host, domain)) return null;
  return `It gave this tunnel the URL ${url}, which is not under the name of the edge, ${host}.`;
}

/** One is below the other, or both are below the same domain: ssh.example.com gives out names under tunnel.example.com. */
function related(host: string, domain: string): boolean {
  if (host === domain || domain.endsWith(`.${host}`)) return true;
  const shared = parentOf(domain);
  return isOnes(domain) ? host.endsWith(`.${domain}`) || (isOnes(shared) && parentOf(host) === shared) : false;
}

function parentOf(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

/** Whether a domain can be one owner's: not `com`, nor `co.uk`, under which everybody registers (the usual second levels of countries). */
function isOnes(domain: string): boolean {
  return domain.includes(".") && !/^(?:ac|co|com|edu|gob|gov|gv|id|me|mil|ne|net|nom|or|org|web)\.[a-z]{2}$/.test(domain);
}
