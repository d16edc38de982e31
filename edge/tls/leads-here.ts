/** Whether the owner of a host has pointed it to us. */
import { promises as dns } from "node:dns";

const PATIENCE = { timeout: 3_000, tries: 2 };
/** Of a chain of CNAMEs. */
const MAX_STEPS = 5;

/**
 * True when a CNAME (or a chain of them) leads from `host` to `target`, or both have an address in common: where a zone begins there can be
 * no CNAME. False also when DNS does not answer.
 */
export async function leadsTo(host: string, target: string): Promise<boolean> {
  const resolver = new dns.Resolver(PATIENCE);
  let at = host;
  for (let step = 0; step < MAX_STEPS; step++) {
    const [next] = await resolver.resolveCname(at).catch(() => []);
    if (next === undefined) break;
    at = next.toLowerCase().replace(/\.$/, "");
    if (at === target) return true;
  }
  const addresses = async (name: string) => {
    const found = await Promise.all([resolver.resolve4(name).catch(() => []), resolver.resolve6(name).catch(() => [])]);
    return found.flat();
  };
  const [own, ours] = await Promise.all([addresses(host), addresses(target)]);
  return own.some((address) => ours.includes(address));
}
