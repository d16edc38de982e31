/**
 * Attachments as Messenger and Instagram send them. Shapes: developers.facebook.com, Messenger Platform, `messages` and `message_echoes`.
 */
import { factsOf } from "./facts.ts";
import type { Part } from "./parts.ts";
import { readTemplate } from "./templates.ts";
import { address, bag, type Bag, line, readable, text, word } from "./text.ts";

/** Kinds that lead elsewhere, by what we call them. */
const links: Record<string, string> = {
  share: "Shared post",
  post: "Shared post",
  ig_post: "Shared Instagram post",
  reel: "Reel",
  ig_reel: "Instagram reel",
  ig_story: "Instagram story",
  fallback: "Shared link",
  product: "Shared product",
};

/** Kinds of which the source says no more than that they were there. */
const withheld: Record<string, string> = {
  fallback: "Something was shared that Facebook does not pass on.",
  unsupported_type: "This kind of message is not passed on to other programs. The sender's app shows it.",
  unsupported: "This kind of message is not passed on to other programs. The sender's app shows it.",
  ephemeral: "A picture or video that disappears after it was seen. It is not passed on to other programs.",
};

/** @param list whatever stands in the place of the attachments. */
export function readAttachments(list: unknown[]): Part[] {
  return withoutDoubles(list.map(bag).filter((item) => text(item["type"]) !== null)).flatMap(readAttachment);
}

/** Meta sends some things twice, under their old type and the new one: a sticker also as image, an `ig_post` also as share. */
function withoutDoubles(items: Bag[]): Bag[] {
  const general = new Set(["image", "share", "video", "fallback"]);
  const byIdentity = new Map<string, Bag>();
  items.forEach((item, index) => {
    const identity = identityOf(item) ?? `#${index}`;
    const before = byIdentity.get(identity);
    if (before === undefined || general.has(String(before["type"]))) byIdentity.set(identity, item);
  });
  return [...byIdentity.values()];
}

function identityOf({ payload, url }: Bag): string | null {
  const inner = bag(payload);
  const id = inner["ig_post_media_id"] ?? inner["reel_video_id"] ?? inner["sticker_id"];
  return word(id) ?? text(inner["url"]) ?? text(url);
}

function readAttachment(item: Bag): Part[] {
  const type = String(item["type"]);
  const payload = bag(item["payload"]);
  const url = address(payload["url"]) ?? address(item["url"]);
  const title = titleOf(item["title"]) ?? titleOf(payload["title"]);
  switch (type) {
    case "image":
    case "sticker":
      return [picture(url, { sticker: type === "sticker" || word(payload["sticker_id"]) !== null, title })];
    case "story_mention":
      return [picture(url, { caption: "Mentioned you in a story", title })];
    case "like_heart":
      return [{ kind: "text", text: "❤️" }];
    case "audio":
    case "video":
      return [{ kind: type, url, name: title ?? fileName(url) ?? (type === "audio" ? "Voice message" : "Video") }];
    case "file":
      return [{ kind: "file", url, name: title ?? fileName(url) ?? "File" }];
    case "location":
      return [place(payload, url, title)];
    case "template":
      return readTemplate(payload, { title, url }, item);
  }
  const label = links[type];
  if (label !== undefined && (url !== null || title !== null)) return [{ kind: "link", label, title: title ?? label, url }];
  const note = withheld[type];
  if (note !== undefined) return [{ kind: "note", text: note, raw: null }];
  return [other(type, payload, url, item)];
}

function picture(url: string | null, more: { sticker?: boolean; caption?: string; title: string | null }): Part {
  const { sticker = false, caption = null, title } = more;
  return { kind: "picture", url, name: title ?? caption ?? (sticker ? "Sticker" : "Picture"), sticker, caption };
}

function place(payload: Bag, url: string | null, title: string | null): Part {
  const given = bag(payload["coordinates"]);
  const [lat, long] = [degrees(given["lat"], 90), degrees(given["long"] ?? given["lng"], 180)];
  const at = lat === null || long === null ? null : { lat, long };
  const map = at && `https://www.openstreetmap.org/?mlat=${at.lat}&mlon=${at.long}#map=16/${at.lat}/${at.long}`;
  return { kind: "place", title: title ?? "Location", coordinates: at && `${at.lat}, ${at.long}`, url: url ?? map };
}

function degrees(value: unknown, most: number): number | null {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Math.abs(number) <= most ? number : null;
}

/** A kind that Meta did not have when this was written: what is readable of it, and the rest on demand. */
function other(type: string, payload: Bag, url: string | null, raw: Bag): Part {
  const facts = factsOf(payload);
  if (facts.length > 0) return { kind: "facts", label: readable(type), facts };
  if (url !== null) return { kind: "link", label: readable(type), title: fileName(url) ?? readable(type), url };
  return { kind: "note", text: `${readable(type)}: this page cannot show it.`, raw };
}

/** The last part of the path that looks like the name of a file; Meta puts it there. */
function fileName(url: string | null): string | null {
  if (url === null) return null;
  const last = new URL(url).pathname.split("/").at(-1) ?? "";
  const name = line(decode(last), 120);
  return /\.\w{1,8}$/.test(name) ? name : null;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function titleOf(value: unknown): string | null {
  const given = text(value);
  const title = given === null ? "" : line(given);
  return title === "" ? null : title;
}
