/**
 * dropbear sends the first packet of the key exchange along with its offer, without waiting for ours (RFC 4253 section 7.1,
 * `first_kex_packet_follows`). ssh2 1.17 drops that packet even where the guess was right, because it compares the name of the method with
 * the first letter of another (lib/protocol/kex.js, `handleKexInit`: `init.kex` is overwritten before `remote.kex[0]` is read), and waits.
 */
import type { Connection } from "ssh2";

interface Protocol {
  _skipNextInboundPacket: boolean;
  _kex?: { _remoteKexinit?: Buffer };
}

/** Behind the message's type and its cookie. */
const LISTS_AT = 17;

/** Lets right guesses count. `kex` and `hostKey` are what we would rather have, as they are offered: first of all. */
export function honourRightGuess(client: Connection, kex: string, hostKey: string): void {
  const { _protocol } = client as unknown as { _protocol: Protocol };
  let skip = false;
  Object.defineProperty(_protocol, "_skipNextInboundPacket", {
    get: () => skip && !isRight(_protocol._kex?._remoteKexinit, kex, hostKey),
    set: (value: boolean) => {
      skip = value;
    },
  });
}

/** The first two lists of an offer are the methods and the host keys. */
function isRight(offer: Buffer | undefined, kex: string, hostKey: string): boolean {
  if (!offer || offer.length < LISTS_AT + 4) return false;
  const methodsEnd = LISTS_AT + 4 + offer.readUInt32BE(LISTS_AT);
  if (offer.length < methodsEnd + 4) return false;
  const first = (from: number, to: number) => offer.toString("latin1", from, to).split(",", 1)[0];
  const keysEnd = methodsEnd + 4 + offer.readUInt32BE(methodsEnd);
  return first(LISTS_AT + 4, methodsEnd) === kex && first(methodsEnd + 4, keysEnd) === hostKey;
}
