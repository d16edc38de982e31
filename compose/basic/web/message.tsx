import { type Attachment, readContent } from "./content.ts";
import type { Message } from "./shapes.ts";
import type { Draft } from "./state.ts";
import { clock } from "./time.ts";

export function MessageItem({ message }: { message: Message }) {
  const { text, attachments, postback, deleted } = readContent(message.content);
  const supported = text !== null || attachments.length > 0 || postback !== null || deleted;
  const reaction = reactionOf(message);
  return (
    <article className={message.from_contact ? "message theirs" : "message ours"}>
      <div className="bubble">
        {deleted && <p className="aside">Message deleted</p>}
        {text !== null && !deleted && <p className="text">{text}</p>}
        {postback !== null && (
          <p className="text">
            {postback} <span className="aside">(button pressed)</span>
          </p>
        )}
        {!deleted && attachments.map((attachment, index) => <AttachmentView key={index} attachment={attachment} />)}
        {!supported && (
          <details>
            <summary>Message of a kind this page cannot show</summary>
            <pre>{JSON.stringify(message.content, null, 2)}</pre>
          </details>
        )}
      </div>
      <p className="meta">
        {reaction !== null && <span className="reaction">{reaction} </span>}
        <time dateTime={message.sent_at}>{clock(message.sent_at)}</time>
        {!message.from_contact && <DeliveryState message={message} />}
      </p>
    </article>
  );
}

/** The reply as it is on its way, or with what to do when the platform did not take it. */
export function DraftItem({ draft, onAgain, onDiscard }: { draft: Draft; onAgain: () => void; onDiscard: () => void }) {
  return (
    <article className="message ours">
      <div className="bubble">
        <p className="text">{draft.text}</p>
      </div>
      {draft.error === null ? (
        <p className="meta">
          <span className="pending">sending</span>
        </p>
      ) : (
        <p className="meta failed" role="alert">
          not sent: {draft.error}{" "}
          <button type="button" onClick={onAgain}>
            Send again
          </button>{" "}
          <button type="button" onClick={onDiscard}>
            Discard
          </button>
        </p>
      )}
    </article>
  );
}

function DeliveryState({ message }: { message: Message }) {
  if (message.delivery_state !== "failed") return <span className={message.delivery_state}> {message.delivery_state}</span>;
  const error = message.metadata?.["error"];
  return <span className="failed"> failed{typeof error === "string" && error !== "" ? `: ${error}` : ""}</span>;
}

function AttachmentView({ attachment }: { attachment: Attachment }) {
  const { kind, url, title } = attachment;
  if (url === null) return <p className="aside">[{title}]</p>;
  const link = (
    <a href={url} target="_blank" rel="noreferrer noopener">
      {kind === "image" ? "Open image" : title}
    </a>
  );
  return (
    <figure>
      {kind === "image" && <img src={url} alt={title} loading="lazy" />}
      {kind === "audio" && <audio src={url} controls preload="none" />}
      {kind === "video" && <video src={url} controls preload="none" />}
      <figcaption>{link}</figcaption>
    </figure>
  );
}

function reactionOf(message: Message): string | null {
  const reaction = message.metadata?.["reaction"];
  const emoji = typeof reaction === "object" && reaction !== null && "emoji" in reaction ? reaction.emoji : null;
  return typeof emoji === "string" ? emoji : null;
}
