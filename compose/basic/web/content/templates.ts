/** Messenger's templates, as our own replies and the echoes of other apps carry them. */
import { factsOf } from "./facts.ts";
import type { Button, Part } from "./parts.ts";
import { address, bag, type Bag, line, text } from "./text.ts";

interface Around {
  title: string | null;
  url: string | null;
}

/** @param around what stands beside the payload in an echo. */
export function readTemplate(payload: Bag, around: Around, raw: unknown): Part[] {
  const elements = listOf(payload["elements"] ?? bag(payload["product"])["elements"]).slice(0, 10);
  const parts: Part[] = [];
  const words = text(payload["text"]);
  const buttons = buttonsOf(payload["buttons"]);
  if (words !== null) parts.push({ kind: "text", text: words });
  parts.push(...elements.flatMap((element) => readElement(element, around)));
  if (payload["template_type"] === "receipt") parts.push(receipt(payload));
  else if (elements.length === 0 && words === null) parts.push(...plain(payload, around));
  if (buttons.length > 0) parts.push({ kind: "card", title: null, subtitle: null, picture: null, url: null, buttons });
  return parts.length > 0 ? parts : [{ kind: "note", text: "A template that this page cannot show.", raw }];
}

function readElement(element: Bag, around: Around): Part[] {
  const media = text(element["media_type"]);
  if (media !== null) {
    const url = address(element["url"]);
    const buttons = buttonsOf(element["buttons"]);
    const shown: Part[] =
      url === null || !/^(image|video)$/.test(media)
        ? [{ kind: "link", label: media === "video" ? "Video" : "Picture", title: "kept at Facebook", url: url ?? around.url }]
        : [{ kind: "link", label: media === "video" ? "Video" : "Picture", title: "on Facebook", url }];
    if (buttons.length > 0) shown.push({ kind: "card", title: null, subtitle: null, picture: null, url: null, buttons });
    return shown;
  }
  return [
    {
      kind: "card",
      title: lineOrNull(element["title"]),
      subtitle: lineOrNull(element["subtitle"]),
      picture: address(element["image_url"]),
      url: address(bag(element["default_action"])["url"]) ?? address(element["item_url"]),
      buttons: buttonsOf(element["buttons"]),
    },
  ];
}

/** A coupon, a request for feedback, or what Meta comes up with next. */
function plain(payload: Bag, around: Around): Part[] {
  const title = lineOrNull(payload["title"]) ?? around.title;
  const picture = address(payload["image_url"]);
  const { title: _title, subtitle: _subtitle, template_type: _type, sharable: _sharable, ...others } = payload;
  const facts = factsOf(others);
  const parts: Part[] = [];
  if (title !== null || picture !== null) {
    parts.push({ kind: "card", title, subtitle: lineOrNull(payload["subtitle"]), picture, url: around.url, buttons: [] });
  }
  if (facts.length > 0) parts.push({ kind: "facts", label: "Template", facts });
  return parts;
}

function receipt(payload: Bag): Part {
  const { template_type: _type, sharable: _sharable, ...others } = payload;
  const total = bag(payload["summary"])["total_cost"];
  return { kind: "facts", label: "Receipt", facts: factsOf({ ...others, ...(total === undefined ? {} : { total }) }) };
}

function buttonsOf(value: unknown): Button[] {
  return listOf(value)
    .slice(0, 10)
    .map((button) => ({ title: lineOrNull(button["title"]) ?? lineOrNull(button["type"]) ?? "Button", url: address(button["url"]) }));
}

function listOf(value: unknown): Bag[] {
  return Array.isArray(value) ? value.map(bag) : [];
}

function lineOrNull(value: unknown): string | null {
  const given = text(value);
  const title = given === null ? "" : line(given, 300);
  return title === "" ? null : title;
}
