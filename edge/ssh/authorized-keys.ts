/**
 * One line of an authorized_keys file (sshd(8), AUTHORIZED_KEYS FILE FORMAT): the key, and from where and until when it may be used. What
 * would narrow a key down and is not done here is refused, rather than ignored: nobody may get in who was meant to be kept out.
 */
import { BlockList, isIP } from "node:net";
import { publicKeyBlob } from "../names/identifier.ts";

export interface AuthorizedKey {
  /** SSH key blob. */
  blob: Buffer;
  /** Whether it may be used from this address at this time, milliseconds since 1970. */
  admits(address: string, now: number): boolean;
}

/** They take away what this edge gives nobody, or give what it does not have. */
const WITHOUT_MEANING = new Set([
  "no-agent-forwarding",
  "no-pty",
  "no-user-rc",
  "no-x11-forwarding",
  "agent-forwarding",
  "port-forwarding",
  "pty",
  "user-rc",
  "x11-forwarding",
]);

/** Null for an empty line or a comment. Throws an Error whose message says what of the line is not honoured. */
export function parseAuthorizedKey(line: string): AuthorizedKey | null {
  const text = line.trim();
  if (text === "" || text.startsWith("#")) return null;
  if (text.startsWith("@")) throw new Error("markers (@cert-authority, @revoked) belong into known_hosts and are not honoured");
  const direct = keyIn(text);
  if (direct) return { blob: direct, admits: () => true };
  const { options, rest } = readOptions(text);
  const blob = keyIn(rest);
  if (!blob) throw new Error("it is not a public key");
  const admits = conditionsOf(options);
  return { blob, admits };
}

function keyIn(text: string): Buffer | null {
  const blob = publicKeyBlob(text);
  if (blob && /^\S*-cert-v\d+@/.test(text)) throw new Error("certificates are not honoured");
  return blob;
}

/** Options are separated by commas, and blanks and commas in double quotes are part of their value; `\"` is a quote. */
function readOptions(text: string): { options: [name: string, value: string | null][]; rest: string } {
  const options: [string, string | null][] = [];
  let at = 0;
  for (;;) {
    const match = /^([A-Za-z0-9-]+)(?:="((?:[^"\\]|\\.)*)")?(,|\s+)/.exec(text.slice(at));
    if (!match) throw new Error("it is not a public key");
    const [whole, name = "", value, separator] = match;
    options.push([name.toLowerCase(), value?.replaceAll('\\"', '"') ?? null]);
    at += whole.length;
    if (separator !== ",") return { options, rest: text.slice(at) };
  }
}

function conditionsOf(options: readonly (readonly [string, string | null])[]): AuthorizedKey["admits"] {
  const conditions: AuthorizedKey["admits"][] = [];
  const names = new Set(options.map(([name]) => name));
  for (const [name, value] of options) {
    if (name === "from") conditions.push(fromCondition(value ?? ""));
    else if (name === "expiry-time") {
      const end = parseTime(value ?? "");
      conditions.push((_address, now) => now < end);
    } else if (name === "restrict") {
      if (!names.has("port-forwarding"))
        throw new Error("restrict forbids forwarding, which is all there is; write restrict,port-forwarding");
    } else if (!WITHOUT_MEANING.has(name)) throw new Error(`the option ${name} is not honoured`);
  }
  return (address, now) => conditions.every((condition) => condition(address, now));
}

/**
 * A list of addresses, networks in CIDR form and addresses with `*` and `?`; `!` before one takes it out. There are no names: DNS can be
 * lied to.
 */
function fromCondition(list: string): AuthorizedKey["admits"] {
  const patterns = list.split(",").map((item) => ({ negated: item.startsWith("!"), matches: addressPattern(item.replace(/^!/, "")) }));
  return (address) => {
    const matching = patterns.filter(({ matches }) => matches(address));
    return matching.length > 0 && !matching.some(({ negated }) => negated);
  };
}

function addressPattern(text: string): (address: string) => boolean {
  const [network = "", prefix] = text.split("/");
  const version = isIP(network);
  if (version !== 0 && (prefix === undefined || /^\d{1,3}$/.test(prefix))) {
    const bits = prefix === undefined ? (version === 4 ? 32 : 128) : Number(prefix);
    const blocks = new BlockList();
    try {
      blocks.addSubnet(network, bits, version === 4 ? "ipv4" : "ipv6");
    } catch {
      throw new Error(`from="${text}" is not a network`);
    }
    return (address) => isIP(address) === version && blocks.check(address, version === 4 ? "ipv4" : "ipv6");
  }
  if (!/^[0-9a-f.:*?]+$/i.test(text)) throw new Error(`from="${text}" is not an address or a network, and names are not honoured`);
  const pattern = new RegExp(`^${text.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".")}$`, "i");
  return (address) => pattern.test(address);
}

/** `YYYYMMDD[HHMM[SS]][Z]`; without Z it is local time, as in OpenSSH. */
function parseTime(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z)?$/.exec(text);
  if (!match) throw new Error(`expiry-time="${text}" is not a time like 20301231 or 202912311800Z`);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map((part) => Number(part ?? 0));
  const parts = [year, month - 1, day, hour, minute, second] as const;
  const time = match[7] ? Date.UTC(...parts) : new Date(...parts).getTime();
  const back = new Date(time);
  const same = match[7]
    ? back.getUTCMonth() === month - 1 && back.getUTCDate() === day
    : back.getMonth() === month - 1 && back.getDate() === day;
  if (!same || hour > 23 || minute > 59 || second > 60) throw new Error(`expiry-time="${text}" is not a time`);
  return time;
}
