/** What contacts and channels are called. */
import type { Channel, Conversation } from "../api/shapes.ts";
import { rawName } from "../api/view.ts";
import { isBlank, line, text } from "./text.ts";

export function displayName(conversation: Conversation): string {
  const name = line(rawName(conversation));
  return isBlank(name) ? `Contact ${conversation.id.slice(0, 5)}` : name;
}

export function channelName(channel: Channel): string {
  const name = line(text(channel.metadata?.["name"]) ?? "");
  return isBlank(name) ? sourceName(channel.source) : name;
}

/** Upper case where the product writes it so. */
export function sourceName(source: string): string {
  const names: Record<string, string> = { facebook: "Messenger", instagram: "Instagram", whatsapp: "WhatsApp", chatplugin: "Chat" };
  return names[source] ?? line(source.charAt(0).toUpperCase() + source.slice(1), 40);
}

/** Up to two letters that stand in for a picture. */
export function initials(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");
  const [first, last] = [words[0], words.length > 1 ? words.at(-1) : undefined];
  const letters = [first, last].map((word) => [...(word ?? "")][0] ?? "").join("");
  return letters.toLocaleUpperCase();
}
