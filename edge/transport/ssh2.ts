/** What of ssh2 1.17's insides is used here; the version is pinned. */
import type { Socket } from "node:net";

/** The members of ssh2's Protocol (lib/protocol/Protocol.js) used here. */
export interface Ssh2Protocol {
  channelData(id: number, data: Buffer): void;
  channelEOF(id: number): void;
  channelClose(id: number): void;
  channelWindowAdjust(id: number, amount: number): void;
  forwardedTcpip(
    id: number,
    window: number,
    packetSize: number,
    origin: { boundAddr: string; boundPort: number; remoteAddr: string; remotePort: number },
  ): void;
  ping(): void;
  rekey(): void;
}

export interface Ssh2Internals {
  /** `_destruct` is gone once the protocol cannot be used any more, `_kexinit` is there while keys are exchanged. */
  _protocol: Ssh2Protocol & { _destruct?: unknown; _kexinit?: unknown };
  _sock: Socket;
  _chanMgr: {
    _count: number;
    add(value: unknown): number;
    get(id: number): unknown;
    update(id: number, value: unknown): void;
    remove(id: number): void;
  };
}

/** Takes the place of a protocol that has ended. */
export const SILENCE: Ssh2Protocol = {
  channelData: () => {},
  channelEOF: () => {},
  channelClose: () => {},
  channelWindowAdjust: () => {},
  forwardedTcpip: () => {},
  ping: () => {},
  rekey: () => {},
};
