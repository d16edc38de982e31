/** What there is to show of a message's content, which is the source's own payload: Facebook's messaging item, or what was sent. */

export interface Attachment {
  kind: "image" | "audio" | "video" | "link";
  /** Only ever http or https; null when there is nothing that may be opened. */
  url: string | null;
  title: string;
}

export interface Readable {
  text: string | null;
  attachments: Attachment[];
  /** A button the contact pressed. */
  postback: string | null;
  deleted: boolean;
}

type Bag = Record<string, unknown>;

export function readContent(content: unknown): Readable {
  if (typeof content === "string") return { text: content, attachments: [], postback: null, deleted: false };
  const outer = bag(content);
  const message = bag(outer["message"]);
  const postback = bag(outer["postback"]);
  const listed = [message["attachments"], outer["attachments"]].find((list) => Array.isArray(list));
  const items: unknown[] = Array.isArray(listed) ? listed : [message["attachment"] ?? outer["attachment"]];
  return {
    text: text(message["text"]) ?? text(outer["text"]),
    attachments: items.map(readAttachment).filter((attachment) => attachment !== null),
    postback: text(postback["title"]) ?? text(postback["payload"]),
    deleted: message["is_deleted"] === true,
  };
}

/** One line for the list of conversations. */
export function preview(content: unknown): string {
  const { text, attachments, postback, deleted } = readContent(content);
  if (deleted) return "Message deleted";
  const [first] = attachments;
  return text ?? postback ?? (first ? `[${first.title}]` : "[unsupported message]");
}

function readAttachment(item: unknown): Attachment | null {
  const { type, payload, title } = bag(item);
  if (text(type) === null) return null;
  const address = text(bag(payload)["url"]);
  const url = address !== null && /^https?:\/\//i.test(address) ? address : null;
  const kind = type === "image" || type === "audio" || type === "video" ? type : "link";
  return { kind, url, title: text(title) ?? text(bag(payload)["title"]) ?? String(type) };
}

function bag(value: unknown): Bag {
  return typeof value === "object" && value !== null ? (value as Bag) : {};
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
