/** Which conversations the list shows, in the filter language of `conversations.list` and as a question to one conversation. */
import type { Conversation } from "./shapes.ts";

export interface View {
  state: "open" | "closed" | "all";
  unread: boolean;
  /** Part of a name. */
  search: string;
  /** Ids; all of them are asked for. */
  tags: string[];
  /** Ids; any of them. */
  channels: string[];
}

export const everything: View = { state: "all", unread: false, search: "", tags: [], channels: [] };

/** Filters in the form of Airy's own inbox; null when there is nothing to filter by. */
export function filtersOf({ state, unread, search, tags, channels }: View): string | null {
  const terms = [
    state === "closed" ? "metadata.state:CLOSED" : null,
    state === "open" ? "id:* AND NOT metadata.state:CLOSED" : null,
    unread ? "unread_count:[1 TO *]" : null,
    ...wordsOf(search).map((word) => `display_name:*${escape(word)}*`),
    tags.length > 0 ? `tag_ids:(${tags.join(" AND ")})` : null,
    channels.length > 0 ? `channel_id:(${channels.join(" OR ")})` : null,
  ].filter((term) => term !== null);
  return terms.length > 0 ? terms.join(" AND ") : null;
}

export function matches(view: View, conversation: Conversation): boolean {
  return matchesButForUnread(view, conversation) && (!view.unread || unreadCount(conversation) > 0);
}

/** Who reads what is unread does not want it to vanish while reading. */
export function matchesButForUnread(view: View, conversation: Conversation): boolean {
  if (view.state !== "all" && isClosed(conversation) !== (view.state === "closed")) return false;
  const own = tagIds(conversation);
  if (!view.tags.every((id) => own.includes(id))) return false;
  if (view.channels.length > 0 && !view.channels.includes(conversation.channel.id)) return false;
  const name = rawName(conversation).toLocaleLowerCase();
  return wordsOf(view.search).every((word) => name.includes(word.toLocaleLowerCase()));
}

export function unreadCount({ metadata }: Conversation): number {
  const count = metadata?.["unread_count"];
  return typeof count === "number" && count > 0 ? count : 0;
}

export function isClosed({ metadata }: Conversation): boolean {
  return metadata?.["state"] === "CLOSED";
}

export function tagIds({ metadata }: Conversation): string[] {
  const tags = metadata?.["tags"];
  return typeof tags === "object" && tags !== null ? Object.keys(tags) : [];
}

/** As the source or a colleague gave it; `""` when nobody has. */
export function rawName({ metadata }: Conversation): string {
  const name = contactOf(metadata)["display_name"];
  return typeof name === "string" ? name : "";
}

export function pictureOf({ metadata }: Conversation): string | null {
  const url = contactOf(metadata)["avatar_url"];
  return typeof url === "string" && url !== "" ? url : null;
}

function contactOf(metadata: Conversation["metadata"]): Record<string, unknown> {
  const contact = metadata?.["contact"];
  return typeof contact === "object" && contact !== null ? (contact as Record<string, unknown>) : {};
}

/** The platform matches word by word. */
function wordsOf(search: string): string[] {
  return search.split(/\s+/).filter((word) => word !== "");
}

/** What means something in Lucene's language is meant as it stands. */
function escape(word: string): string {
  return word.replaceAll(/[+\-&|!(){}[\]^"~*?:\\/]/g, String.raw`\$&`);
}
