import { memo, useMemo } from "react";
import type { Message } from "../api/shapes.ts";
import { isOutsideWindow, type Readable, preview, readMessage } from "../content/read.ts";
import { mediaPath } from "../api/media.ts";
import type { Draft } from "../state/thread.ts";
import { Icon } from "./icons.tsx";
import { PartView } from "./parts.tsx";
import { clock, exactly } from "./time.ts";

interface Props {
  message: Message;
  /** The message that this one answers, when it was read already. */
  answered: Message | null;
  /** The next message belongs to it, and tells the time. */
  goesOn: boolean;
  onResend: (id: string, asPerson: boolean) => void;
  onJump: (id: string) => void;
}

export const MessageItem = memo(function MessageItem({ message, answered, goesOn, onResend, onJump }: Props) {
  const readable = useMemo(() => readMessage(message), [message]);
  const side = message.from_contact ? "theirs" : "ours";
  const bare = readable.parts.length === 1 && readable.parts[0]?.kind === "picture" && readable.parts[0].sticker;
  return (
    <article
      id={`m-${message.id}`}
      tabIndex={-1}
      className={`message ${side} ${goesOn ? "goes-on" : ""} ${bare ? "bare" : ""} ${message.delivery_state === "failed" ? "undelivered" : ""}`}
      aria-label={message.from_contact ? "Customer" : "You"}
    >
      {readable.cameBy !== null && <p className="aside">{readable.cameBy}</p>}
      <Answered readable={readable} answered={answered} owner={message.id} onJump={onJump} />
      <div className="bubble" title={exactly(message.sent_at)}>
        {readable.deleted && (
          <p className="aside">{message.from_contact ? "The customer unsent this message." : "This message was unsent."}</p>
        )}
        {readable.parts.map((part, index) => (
          <PartView key={index} part={part} owner={{ kind: "message", id: message.id }} />
        ))}
        {readable.reaction !== null && (
          <span className="reaction" role="img" aria-label={`Reaction: ${readable.reaction}`}>
            {readable.reaction}
          </span>
        )}
      </div>
      {readable.offered.length > 0 && (
        <ul className="offered" aria-label="Offered to choose from">
          {readable.offered.map((choice, index) => (
            <li key={index}>{choice}</li>
          ))}
        </ul>
      )}
      <Meta message={message} readable={readable} goesOn={goesOn} onResend={onResend} />
    </article>
  );
});

function Answered({
  readable,
  answered,
  owner,
  onJump,
}: {
  readable: Readable;
  answered: Message | null;
  owner: string;
  onJump: Props["onJump"];
}) {
  const { answers } = readable;
  if (answers === null) return null;
  if ("story" in answers) {
    return (
      <div className="answers">
        <Icon name="reply" /> Answers your story
        {answers.story !== null && (
          <a href={mediaPath({ kind: "message", id: owner }, answers.story)} target="_blank" rel="noopener noreferrer">
            <img src={mediaPath({ kind: "message", id: owner }, answers.story)} alt="Your story" loading="lazy" onError={hide} />
          </a>
        )}
        {answers.story !== null && (
          <a href={answers.story} target="_blank" rel="noopener noreferrer">
            Open the story
          </a>
        )}
      </div>
    );
  }
  if (answered === null) {
    return (
      <p className="answers">
        <Icon name="reply" /> Answers an earlier message
      </p>
    );
  }
  return (
    <button type="button" className="answers" onClick={() => onJump(answered.id)}>
      <Icon name="reply" />
      <span className="spoken">Answers: </span>
      <span className="quoted">
        <bdi>{preview(answered)}</bdi>
      </span>
    </button>
  );
}

function hide(event: { currentTarget: HTMLElement }) {
  event.currentTarget.hidden = true;
}

function Meta({
  message,
  readable,
  goesOn,
  onResend,
}: {
  message: Message;
  readable: Readable;
  goesOn: boolean;
  onResend: Props["onResend"];
}) {
  const { edited, chosen, elsewhere } = readable;
  const notes = [chosen ? "chosen from the offered replies" : null, edited ? "edited" : null, elsewhere].filter((note) => note !== null);
  if (goesOn && notes.length === 0) return null;
  return (
    <p className="meta">
      <time dateTime={message.sent_at} title={exactly(message.sent_at)}>
        {clock(message.sent_at)}
      </time>
      {notes.map((note) => (
        <span key={note}>{note}</span>
      ))}
      {!message.from_contact && <DeliveryState message={message} onResend={onResend} />}
    </p>
  );
}

function DeliveryState({ message, onResend }: { message: Message; onResend: Props["onResend"] }) {
  if (message.delivery_state === "pending") {
    return (
      <span className="pending">
        <Icon name="clock" /> pending
      </span>
    );
  }
  if (message.delivery_state === "delivered") {
    return (
      <span className="delivered">
        <Icon name="check" /> delivered
      </span>
    );
  }
  const error = message.metadata?.["error"];
  return (
    <span className="failed">
      <Icon name="alert" /> failed{typeof error === "string" && error !== "" ? `: ${error}` : ""}{" "}
      <button type="button" onClick={() => onResend(message.id, false)}>
        Send again
      </button>{" "}
      {isOutsideWindow(message) && (
        <button
          type="button"
          title="With Meta's tag HUMAN_AGENT: up to 7 days after the customer wrote, for answers of a person. The app needs Meta's permission for it."
          onClick={() => onResend(message.id, true)}
        >
          Send as a person
        </button>
      )}
    </span>
  );
}

/** The reply as it is on its way, or with what to do when the platform did not take it. */
export function DraftItem({ draft, onAgain, onDiscard }: { draft: Draft; onAgain: () => void; onDiscard: () => void }) {
  const readable = readMessage({
    id: draft.key,
    content: draft.content,
    sent_at: draft.at,
    delivery_state: "pending",
    from_contact: false,
    metadata: null,
  });
  return (
    <article className="message ours" aria-label="You">
      <div className="bubble">
        {readable.parts.map((part, index) => (
          <PartView key={index} part={part} owner={null} />
        ))}
      </div>
      {draft.error === null ? (
        <p className="meta">
          <span className="pending">
            <Icon name="clock" /> sending
          </span>
        </p>
      ) : (
        <p className="meta failed" role="alert">
          <Icon name="alert" /> not sent: {draft.error}{" "}
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
