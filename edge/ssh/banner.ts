/**
 * A line that a client shows while it logs in (RFC 4252 section 5.4). With `ssh -N` there is no terminal to write the URL to, and this is
 * the last moment at which anything is shown. ssh2 sends one banner, before anybody has said who they are; this one comes once the key is
 * proven.
 */
import type { Connection } from "ssh2";

const USERAUTH_BANNER = 53;

/** Of ssh2 1.17 (lib/protocol/Protocol.js, `serviceAccept`), what it sends its own banner with. */
interface Sender {
  _packetRW: { write: { allocStart: number; alloc(size: number): Buffer; finalize(packet: Buffer): Buffer } };
  _cipher: { encrypt(packet: Buffer): void };
}

/** To be called between the proof of a key and the answer to it. */
export function showBanner(client: Connection, text: string): void {
  const { _packetRW: packets, _cipher: cipher } = (client as unknown as { _protocol: Sender })._protocol;
  const line = Buffer.from(`${text}\r\n`);
  const start = packets.write.allocStart;
  const packet = packets.write.alloc(1 + 4 + line.length + 4);
  packet[start] = USERAUTH_BANNER;
  packet.writeUInt32BE(line.length, start + 1);
  line.copy(packet, start + 5);
  packet.writeUInt32BE(0, start + 5 + line.length);
  cipher.encrypt(packets.write.finalize(packet));
}
