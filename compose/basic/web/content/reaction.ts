/** The sign of a reaction. */
import { bag, text } from "./text.ts";

/** Meta's words, for reactions that come without a sign. */
const signs: Record<string, string> = {
  smile: "😆",
  haha: "😆",
  angry: "😠",
  sad: "😢",
  wow: "😮",
  love: "❤️",
  like: "👍",
  dislike: "👎",
  other: "💬",
};

/** @param reaction the member of a message's metadata; null when it holds none, or one that was taken back. */
export function reactionOf(reaction: unknown): string | null {
  const given = text(bag(reaction)["emoji"]);
  if (given === null) return null;
  const decoded = given.replaceAll(/\\u\{([0-9a-f]{1,6})\}/gi, (whole, digits: string) => {
    const point = Number.parseInt(digits, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
  return signs[decoded.toLowerCase()] ?? decoded.slice(0, 32);
}
