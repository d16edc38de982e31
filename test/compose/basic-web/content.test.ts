/** What of each shape that Messenger and Instagram send there is to see. */
import { describe, expect, it } from "vitest";
import type { Message } from "../../../compose/basic/web/api/shapes.ts";
import { displayName, initials } from "../../../compose/basic/web/content/names.ts";
import { answeredId, preview, readMessage, sourceId } from "../../../compose/basic/web/content/read.ts";
import { address, isBlank, line, runsOf, shorten } from "../../../compose/basic/web/content/text.ts";

function message(content: unknown, over: Partial<Message> = {}): Message {
  return { id: "1", content, sent_at: "", delivery_state: "delivered", from_contact: true, metadata: {}, ...over };
}

const parts = (content: unknown) => readMessage(message(content)).parts;
const attached = (...attachments: unknown[]) => parts({ message: { mid: "m", attachments } });
const url = "https://cdn.example/v/thing.png?x=1";

describe("a message", () => {
  it.each<[string, unknown, string]>([
    ["of Facebook", { message: { mid: "m", text: "hello" } }, "hello"],
    ["that was sent", { text: "reply" }, "reply"],
    ["that is plain text", "just text", "just text"],
    ["that is a pressed button", { postback: { title: "Get started", payload: "GO" } }, "Get started"],
    ["that is a pressed button without a title", { postback: { payload: "GO" } }, "GO"],
    ["that is a picture", { message: { attachments: [{ type: "image", payload: { url } }] } }, "Picture"],
    ["that was sent with a picture", { attachment: { type: "image", payload: { url } } }, "Picture"],
    ["that was deleted", { message: { is_deleted: true, text: "secret" } }, "Message unsent"],
    ["that was deleted, in Meta's own text", { message: { is_deleted: "true", text: "secret" } }, "Message unsent"],
    ["that is not deleted", { message: { is_deleted: "false", text: "shown" } }, "shown"],
    ["with an empty text", { message: { text: "" } }, "An empty message."],
    ["of what has no width", { message: { text: "\u200b\u2060\u3164" } }, "An empty message."],
    ["with nonsense", { message: { text: 5, attachments: ["x", null] } }, "A message of a kind this page cannot show."],
    ["that is nothing", null, "A message of a kind this page cannot show."],
    ["of WhatsApp", { type: "text", text: { body: "hi" } }, "hi"],
    ["over several lines", { text: "a\n\n  b" }, "a b"],
    ["that turns the direction", { text: "a\u202egnp.exe" }, "agnp.exe"],
  ])("%s", (_, content, expected) => {
    expect(preview(message(content))).toBe(expected);
  });

  it("says which message it answers, and by which id it is answered", () => {
    expect(answeredId(message({ message: { mid: "b", text: "x", reply_to: { mid: "a" } } }))).toBe("a");
    expect(readMessage(message({ message: { text: "x", reply_to: { story: { url, id: "1" } } } })).answers).toEqual({ story: url });
    expect(sourceId(message({ message: { mid: "a" } }))).toBe("a");
    expect(sourceId(message({ text: "x" }, { metadata: { source: { id: "ours" } } }))).toBe("ours");
  });

  it("says how the customer came, what was offered and what was chosen", () => {
    const ad = { ad_id: "1", ref: "spring", ads_context_data: { ad_title: "Spring sale" } };
    expect(readMessage(message({ message: { text: "x", referral: ad } })).cameBy).toContain("Spring sale");
    expect(readMessage(message({ postback: { title: "Go", referral: { ref: "flyer-7" } } })).cameBy).toContain("flyer-7");
    const offer = { message: { text: "Size?", is_echo: true, app_id: 7, quick_replies: [{ title: "S" }, { content_type: "user_email" }] } };
    expect(readMessage(message(offer, { from_contact: false }))).toMatchObject({
      offered: ["S", "E-mail address"],
      elsewhere: "sent by the app 7",
    });
    expect(readMessage(message({ message: { text: "S", quick_reply: { payload: "S" } } })).chosen).toBe(true);
  });

  it.each([
    ["\u2764", "\u2764"],
    [String.raw`\u{2764}\u{FE0F}`, "\u2764\uFE0F"],
    ["smile", "😆"],
    ["👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"],
    [String.raw`\u{FFFFFF}`, String.raw`\u{FFFFFF}`],
  ])("shows the reaction %j as %j", (emoji, expected) => {
    expect(readMessage(message({ text: "x" }, { metadata: { reaction: { emoji } } })).reaction).toBe(expected);
  });

  it.each([{}, { reaction: {} }, { reaction: { emoji: null } }, null])("without a reaction shows none (%j)", (metadata) => {
    expect(readMessage(message({ text: "x" }, { metadata })).reaction).toBeNull();
  });

  it("shows that it was edited", () => {
    expect(readMessage(message({ text: "x" }, { metadata: { edited: { text: "x" } } })).edited).toBe(true);
    expect(readMessage(message({ text: "x" })).edited).toBe(false);
  });
});

describe("an attachment", () => {
  it("that is a sticker is a picture, once, also where it comes as an image, too", () => {
    const payload = { url, sticker_id: 369239263222822 };
    const sticker = { kind: "picture", url, sticker: true };
    expect(attached({ type: "sticker", payload })).toMatchObject([sticker]);
    expect(attached({ type: "image", payload })).toMatchObject([sticker]);
    expect(attached({ type: "image", payload }, { type: "sticker", payload })).toMatchObject([sticker]);
    expect(attached({ type: "image", payload: { url } }, { type: "image", payload: { url: `${url}2` } })).toHaveLength(2);
  });

  it("that is a shared post is shown once, with its title", () => {
    const payload = { ig_post_media_id: "18130000000000005", title: "A workspace", url };
    const post = [{ kind: "link", label: "Shared Instagram post", title: "A workspace", url }];
    expect(attached({ type: "share", payload }, { type: "ig_post", payload })).toEqual(post);
    expect(attached({ type: "ig_post", payload }, { type: "share", payload })).toEqual(post);
  });

  it("keeps the address that stands beside an empty payload", () => {
    expect(attached({ type: "fallback", title: "A shop", url, payload: null })).toMatchObject([{ kind: "link", title: "A shop", url }]);
    expect(attached({ type: "fallback" })).toMatchObject([{ kind: "note", raw: null }]);
  });

  it("that is a place has coordinates and a map", () => {
    const [place] = attached({ type: "location", payload: { coordinates: { lat: 1.2, long: "-1.3" } } });
    expect(place).toMatchObject({ kind: "place", coordinates: "1.2, -1.3", url: expect.stringContaining("mlat=1.2&mlon=-1.3") });
    const named = { type: "location", title: "Pier 3", url, payload: { coordinates: { lat: 52.5, long: 13.4 } } };
    expect(attached(named)).toMatchObject([{ title: "Pier 3", coordinates: "52.5, 13.4", url }]);
    expect(attached({ type: "location", payload: { coordinates: { lat: 900, long: {} } } })).toMatchObject([
      { coordinates: null, url: null },
    ]);
  });

  it("that is a file is called by its name", () => {
    const file = (name: string) => attached({ type: "file", payload: { url: `https://cdn.example/v/t59/${name}?oe=1` } });
    expect(file("Invoice_2025-11.pdf")).toMatchObject([{ kind: "file", name: "Invoice_2025-11.pdf" }]);
    expect(file("Gr%C3%B6%C3%9Fe.pdf")).toMatchObject([{ name: "Größe.pdf" }]);
    expect(file("photo%E2%80%AEgnp.exe")).toMatchObject([{ name: "photognp.exe" }]);
    expect(file("%E0%A4%A")).toMatchObject([{ name: "File" }]);
  });

  it("is named in words where there is nothing to open", () => {
    expect(attached({ type: "like_heart" })).toEqual([{ kind: "text", text: "❤️" }]);
    expect(attached({ type: "unsupported_type", payload: {} })).toMatchObject([{ kind: "note", raw: null }]);
    expect(attached({ type: "ephemeral" })).toMatchObject([{ kind: "note" }]);
    expect(parts({ message: { is_unsupported: true } })).toMatchObject([{ kind: "note", raw: null }]);
    expect(attached({ type: "story_mention", payload: { url } })).toMatchObject([{ kind: "picture", caption: "Mentioned you in a story" }]);
  });

  it("of a kind nobody knew shows what is readable of it, else what was sent", () => {
    expect(attached({ type: "contact_card", payload: { name: "Bo", phone: "+49 30 000", id: "7" } })).toEqual([
      {
        kind: "facts",
        label: "Contact card",
        facts: [
          ["Name", "Bo"],
          ["Phone", "+49 30 000"],
        ],
      },
    ]);
    const booking = { title: "Repair", start_time: "2026-12-01T09:00:00+0000", status: "REQUESTED" };
    const [shown] = attached({ type: "appointment_booking", payload: booking });
    expect(shown).toMatchObject({ kind: "facts", label: "Appointment booking" });
    expect(JSON.stringify(shown)).toContain("2026");
    expect(JSON.stringify(shown)).toContain("Requested");
    expect(attached({ type: "hologram", payload: { deep: { x: 1 } } })).toMatchObject([{ kind: "note", raw: { type: "hologram" } }]);
  });

  it.each(["javascript:alert(1)", "data:text/html,x", "//host/x", " https://x", "https://", "", 7, undefined])(
    "is no link to %j",
    (bad) => {
      expect(attached({ type: "file", payload: { url: bad } })).toEqual([{ kind: "file", url: null, name: "File" }]);
      expect(JSON.stringify(attached({ type: "template", payload: { text: "x", buttons: [{ title: "b", url: bad }] } }))).not.toContain(
        '"url":"',
      );
    },
  );
});

describe("a template", () => {
  const template = (payload: object, around: object = {}) => attached({ type: "template", payload, ...around });

  it("shows text and buttons", () => {
    expect(
      template({ template_type: "button", text: "What next?", buttons: [{ type: "web_url", title: "Shop", url }, { title: "Talk" }] }),
    ).toMatchObject([
      { kind: "text", text: "What next?" },
      {
        kind: "card",
        buttons: [
          { title: "Shop", url },
          { title: "Talk", url: null },
        ],
      },
    ]);
  });

  it("shows elements with picture, subtitle and buttons, also those of products", () => {
    const element = { title: "Welcome!", subtitle: "The right hat", image_url: url, buttons: [{ type: "postback", title: "Start" }] };
    const card = { kind: "card", title: "Welcome!", subtitle: "The right hat", picture: url, buttons: [{ title: "Start", url: null }] };
    expect(template({ template_type: "generic", elements: [element] }, { title: "Welcome!", url: null })).toMatchObject([card]);
    expect(template({ product: { elements: [{ title: "Jumper", subtitle: "39,00 EUR", image_url: url }] } })).toMatchObject([
      { kind: "card", title: "Jumper", subtitle: "39,00 EUR" },
    ]);
  });

  it("of a medium that is kept at Facebook leads there", () => {
    const media = { template_type: "media", elements: [{ media_type: "image", attachment_id: 2457235337685388 }] };
    expect(template(media, { url })).toMatchObject([{ kind: "link", label: "Picture", url }]);
  });

  it("of a receipt or a coupon tells what is in it", () => {
    const receipt = { template_type: "receipt", order_number: "12345", currency: "EUR", summary: { total_cost: 56.14 } };
    expect(JSON.stringify(template(receipt))).toMatch(/12345.*EUR.*56.14/);
    expect(JSON.stringify(template({ template_type: "coupon", title: "10% off", coupon_code: "TEN" }))).toMatch(/10% off.*TEN/);
    expect(template({ template_type: "new" })).toMatchObject([{ kind: "note" }]);
  });
});

describe("text of strangers", () => {
  it("is cut into addresses and the rest, and only http makes an address", () => {
    expect(runsOf("see https://a.example/x?y=1, or (http://b.example). javascript:alert(1)")).toEqual([
      { text: "see ", url: null },
      { text: "https://a.example/x?y=1", url: "https://a.example/x?y=1" },
      { text: ", or (", url: null },
      { text: "http://b.example", url: "http://b.example" },
      { text: "). javascript:alert(1)", url: null },
    ]);
    expect(address("https://user@x.example")).not.toBeNull();
    expect(address("ftp://x.example")).toBeNull();
  });

  it("of a hundred thousand characters is read at once", () => {
    const long = "https://".repeat(12_500);
    expect(
      runsOf(long)
        .map((run) => run.text)
        .join(""),
    ).toBe(long);
    expect(preview(message({ text: "x".repeat(100_000) })).length).toBeLessThan(200);
    expect(shorten(`${"x".repeat(9)}😀`, 10)).toBe(`${"x".repeat(9)}…`);
  });

  it("makes a name of one line without tricks, or none", () => {
    const named = (name: unknown) =>
      displayName({
        id: "abcdefgh",
        channel: { id: "c", source: "facebook", connected: true, metadata: null },
        metadata: { contact: { display_name: name } },
        last_message: null,
      });
    expect(named("Ada\n\u202eLovelace\u0007 ")).toBe("Ada Lovelace");
    expect(named("👨‍👩‍👧 Family")).toBe("👨‍👩‍👧 Family");
    expect([named("\u200b\u3164"), named(""), named(null), named(7)]).toEqual(Array.from({ length: 4 }, () => "Contact abcde"));
    expect([initials("Ada Lovelace"), initials("李小龍"), initials("😀"), initials("")]).toEqual(["AL", "李", "", ""]);
    expect(isBlank(line("\u2066\u2069"))).toBe(true);
  });
});
