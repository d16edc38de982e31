/** Proxies that the operator trusts, and who is behind them: every limit, list and header counts the sender, not the machine in front. */
import { BlockList, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { plainAddress } from "./network.ts";

/** Addresses from which a sender's own address is believed. */
export class Trust {
  readonly #list = new BlockList();
  readonly #empty: boolean;

  /** @param cidrs as {@link faultInCidr} lets them pass. */
  constructor(cidrs: readonly string[]) {
    this.#empty = cidrs.length === 0;
    for (const cidr of cidrs) {
      const [address = "", bits] = cidr.split("/");
      const family = isIP(address) === 6 ? "ipv6" : "ipv4";
      this.#list.addSubnet(address, bits === undefined ? (family === "ipv6" ? 128 : 32) : Number(bits), family);
    }
  }

  has(address: string): boolean {
    if (this.#empty) return false;
    const plain = plainAddress(address);
    const family = isIP(plain);
    return family !== 0 && this.#list.check(plain, family === 6 ? "ipv6" : "ipv4");
  }
}

/** What keeps a text from being an address or a network (`10.0.0.0/8`, `::1`); null: nothing. */
export function faultInCidr(text: string): string | null {
  const match = /^([^/]+)(?:\/([0-9]{1,3}))?$/.exec(text);
  const family = isIP(match?.[1] ?? "");
  if (!match || family === 0) return "is neither an address nor a network like 10.0.0.0/8";
  return match[2] !== undefined && Number(match[2]) > (family === 6 ? 128 : 32) ? "has more bits than an address" : null;
}

const announced = new WeakMap<Duplex, string>();

/** The connection comes from there in truth, as a trusted proxy has said. */
export function announce(socket: Duplex, address: string): void {
  announced.set(socket, plainAddress(address));
}

/** Where a connection comes from: the sender that a trusted proxy has named by PROXY protocol, else the other end itself. */
export function addressOf(socket: Duplex & { remoteAddress?: string | undefined }): string {
  return announced.get(socket) ?? plainAddress(socket.remoteAddress);
}
