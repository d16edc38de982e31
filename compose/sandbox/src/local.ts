/**
 * Loopback addresses, `localhost` names, and names without a dot (a compose service). A web page can point a name of its own at
 * loopback (DNS rebinding), and such a name always has a dot.
 */
export function isLocalHost(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(name) || name.endsWith(".localhost") || /^[a-z0-9][a-z0-9_-]*$/.test(name);
}
