/** One message as the customer sees it, with what the customer can do about it. */
import { useState } from "react";
import { AttachmentView } from "./attachment.tsx";
import type { Act, Conversation, Message } from "./shapes.ts";
import { clock } from "./time.ts";

const EMOJI = ["❤️", "😆", "😮", "😢", "😠", "👍", "👎"];

interface Props {
  message: Message;
  conversation: Conversation;
  act: (what: Act) => Promise<boolean>;
}

export function Bubble({ message, conversation, act }: Props) {
  const [open, setOpen] = useState(false);
  const [draft, setDraft] = useState<string | null>(null);
  const mine = message.from === "customer";
  const persona = conversation.personas.find(({ id }) => id === message.personaId);
  const text = message.message?.text;
  const attachments = message.message?.attachments ?? [];
  const answered = conversation.messages.find(({ mid }) => mid === message.message?.reply_to?.mid);
  const done = (what: Act) => {
    setOpen(false);
    setDraft(null);
    void act(what);
  };
  return (
    <article className={`message ${mine ? "mine" : "theirs"}`}>
      {persona && <p className="persona">{persona.name}</p>}
      {answered && <p className="quote">{answered.message?.text ?? "a message"}</p>}
      {message.deleted ? (
        <p className="bubble gone">You took this message back</p>
      ) : draft === null ? (
        <>
          {text !== undefined && <p className="bubble">{text}</p>}
          {message.postback && <p className="bubble pressed">{message.postback.title ?? "Button"}</p>}
          {attachments.map((attachment, index) => (
            <AttachmentView key={index} attachment={attachment} onPress={(title, payload) => done({ kind: "postback", title, payload })} />
          ))}
        </>
      ) : (
        <form
          className="correct"
          onSubmit={(event) => {
            event.preventDefault();
            done({ kind: "edit", mid: message.mid, text: draft });
          }}
        >
          <input value={draft} onChange={(event) => setDraft(event.target.value)} aria-label="Corrected text" autoFocus />
          <button type="submit" disabled={draft.trim() === ""}>
            Correct
          </button>
        </form>
      )}
      <p className="meta">
        <Reactions message={message} />
        <time>{clock(message.at)}</time>
        {message.edits > 0 && !message.deleted && <span>edited</span>}
        {mine && <span className={message.delivery}>{deliveryText(message.delivery)}</span>}
        {!message.deleted && (
          <button
            type="button"
            className="plain more"
            aria-expanded={open}
            aria-label="More about this message"
            onClick={() => setOpen(!open)}
          >
            ⋯
          </button>
        )}
      </p>
      {open && (
        <div className="actions" role="group" aria-label="What to do with this message">
          {EMOJI.map((emoji) => (
            <button
              key={emoji}
              type="button"
              className="plain"
              aria-label={`React with ${emoji}`}
              onClick={() => done({ kind: "reaction", mid: message.mid, emoji: message.reactions.customer === emoji ? null : emoji })}
            >
              {emoji}
            </button>
          ))}
          {mine && text !== undefined && (
            <button type="button" onClick={() => (setDraft(text), setOpen(false))}>
              Correct
            </button>
          )}
          {mine && (
            <button type="button" onClick={() => done({ kind: "unsend", mid: message.mid })}>
              Take back
            </button>
          )}
        </div>
      )}
    </article>
  );
}

function Reactions({ message: { reactions } }: { message: Message }) {
  const all = [reactions.customer, reactions.page].filter((each) => each !== null);
  return all.length === 0 ? null : <span className="reactions">{all.join(" ")}</span>;
}

function deliveryText(delivery: Message["delivery"]): string {
  switch (delivery) {
    case "under way":
      return "sending";
    case "acknowledged":
      return "sent";
    case "held":
      return "held at the edge";
    case "failed":
      return "the webhook failed; tried again later";
    case "dropped":
      return "given up";
    case "none":
      return "";
  }
}
