/** Delivery ids: made before anything is stored, because a live attempt carries one already. */
import { randomBytes } from "node:crypto";

/** Sorts in ASCII like the numbers it stands for. */
const BASE32HEX = "0123456789abcdefghijklmnopqrstuv";

/**
 * A maker of ids of 24 characters (0-9a-v): 10 of time, 4 that count, 10 of chance. Of one maker, later ids sort after earlier ones, also
 * when the clock goes back; ids of two makers never meet.
 */
export function deliveryIds(now: () => number): () => string {
  let time = 0;
  let count = 0;
  return () => {
    const present = Math.max(0, Math.floor(now()));
    if (present > time) {
      time = present;
      count = 0;
    } else if (++count === 32 ** 4) {
      time++;
      count = 0;
    }
    return digits(time, 10) + digits(count, 4) + chance();
  };
}

export const DELIVERY_ID = /^[0-9a-v]{24}$/;

function digits(value: number, length: number): string {
  return value.toString(32).padStart(length, "0").slice(-length);
}

function chance(): string {
  let text = "";
  for (const byte of randomBytes(10)) text += BASE32HEX.charAt(byte & 31);
  return text;
}
