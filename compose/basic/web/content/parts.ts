/** What a message can be made of, once it is understood. */

export interface Button {
  title: string;
  url: string | null;
}

export type Fact = [label: string, value: string];

export type Part =
  | { kind: "text"; text: string }
  | { kind: "picture"; url: string | null; name: string; sticker: boolean; caption: string | null }
  | { kind: "audio" | "video"; url: string | null; name: string }
  | { kind: "file"; url: string | null; name: string }
  /** Something that is elsewhere: a shared post, a reel, a page. */
  | { kind: "link"; label: string; title: string; url: string | null }
  | { kind: "place"; title: string; coordinates: string | null; url: string | null }
  | { kind: "card"; title: string | null; subtitle: string | null; picture: string | null; url: string | null; buttons: Button[] }
  | { kind: "facts"; label: string; facts: Fact[] }
  | { kind: "pressed"; title: string; facts: Fact[] }
  /** What cannot be shown, in our words; `raw` is what the source sent. */
  | { kind: "note"; text: string; raw: unknown };

/** One line for a part. */
export function lineOf(part: Part): string {
  switch (part.kind) {
    case "text":
      return part.text;
    case "picture":
      return part.sticker ? "Sticker" : (part.caption ?? "Picture");
    case "audio":
      return "Voice message";
    case "video":
      return "Video";
    case "file":
      return part.name;
    case "link":
      return part.title === part.label ? part.label : `${part.label}: ${part.title}`;
    case "place":
      return `Location: ${part.title}`;
    case "card":
      return part.title ?? part.subtitle ?? "Card";
    case "facts":
      return [part.label, ...part.facts.slice(0, 1).map(([, value]) => value)].join(": ");
    case "pressed":
      return part.title;
    case "note":
      return part.text;
  }
}
