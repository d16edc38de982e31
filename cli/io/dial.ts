/**
 * TCP connections to the outside, through the HTTP proxy that the environment names where it names one: HTTPS_PROXY, HTTP_PROXY and
 * NO_PROXY as curl reads them (https://curl.se/docs/manpage.html, ENVIRONMENT), CONNECT as RFC 9110, 9.3.6 has it.
 */
import http from "node:http";
import https from "node:https";
import net from "node:net";

type Env = Readonly<Record<string, string | undefined>>;

export interface Target {
  host: string;
  port: number;
}

/** The proxy for `https:` and for everything that is no HTTP, or for `http:`. Never for this machine itself. */
export function proxyFor(target: Target, scheme: "http" | "https" = "https", env: Env = process.env): URL | null {
  const text = env[`${scheme}_proxy`] || env[`${scheme.toUpperCase()}_PROXY`] || env.all_proxy || env.ALL_PROXY;
  if (!text?.trim() || isLoopback(target.host) || isExempt(target, env.no_proxy || env.NO_PROXY || "")) return null;
  const url = /^[a-z0-9]+:\/\//i.test(text.trim()) ? text.trim() : `http://${text.trim()}`;
  // What curl also takes and we do not speak (socks5:) is as good as none.
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) ? new URL(url) : null;
}

/** Connects directly. Rejects with Node's error, or the signal's reason. */
export function dial({ host, port }: Target, signal: AbortSignal): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true, signal });
    socket.once("error", (error) => reject(signal.aborted ? signal.reason : error));
    socket.once("connect", () => resolve(socket));
  });
}

/** Connects through the proxy. Rejects with Node's error, the signal's reason, or one that says what the proxy answered. */
export function dialThrough(proxy: URL, { host, port }: Target, signal: AbortSignal): Promise<net.Socket> {
  const authority = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
  const { request } = proxy.protocol === "https:" ? https : http;
  return new Promise((resolve, reject) => {
    const asked = request({
      host: proxy.hostname.replace(/^\[|\]$/g, ""),
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...authorization(proxy) },
      agent: false,
      signal,
    });
    const refused = (response: http.IncomingMessage): Error =>
      new Error(`the proxy ${proxy.host} answered ${response.statusCode} ${response.statusMessage ?? ""} to CONNECT ${authority}`);
    asked.once("connect", (response, stream, head) => {
      const socket = stream as net.Socket;
      if (response.statusCode !== 200) return reject((socket.destroy(), refused(response)));
      socket.setNoDelay(true);
      // SSH servers speak first.
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asked.once("response", (response) => reject((response.destroy(), refused(response))));
    asked.once("error", (error) => reject(signal.aborted ? signal.reason : error));
    asked.end();
  });
}

export function authorization(proxy: URL): { "proxy-authorization"?: string } {
  if (!proxy.username) return {};
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(user).toString("base64")}` };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "::1" || host.startsWith("127.");
}

/** Names count with all below them, with or without a dot in front; addresses alone or as networks; each perhaps with a port. */
function isExempt({ host, port }: Target, list: string): boolean {
  return list.split(/[\s,]+/).some((entry) => {
    if (entry === "" || entry === "*") return entry === "*";
    if (entry.includes("/")) return inNetwork(host, entry);
    const [, name = "", itsPort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(net.isIPv6(entry) ? `[${entry}]` : entry) ?? [];
    if (itsPort !== undefined && Number(itsPort) !== port) return false;
    const suffix = name.toLowerCase().replace(/^\*?\./, "");
    return host.toLowerCase() === suffix || (!net.isIP(host) && host.toLowerCase().endsWith(`.${suffix}`));
  });
}

function inNetwork(host: string, network: string): boolean {
  const [address = "", bits = ""] = network.split("/");
  const family = net.isIPv6(address) ? "ipv6" : "ipv4";
  if (!net.isIP(host) || !net.isIP(address) || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === "ipv6" ? 128 : 32)) return false;
  const block = new net.BlockList();
  block.addSubnet(address, Number(bits), family);
  return block.check(host, net.isIPv6(host) ? "ipv6" : "ipv4");
}
