import { type KeyboardEvent, useEffect, useRef } from "react";
import { preview } from "./content.ts";
import { channelName, displayName, type Inbox, unreadCount } from "./state.ts";
import type { Conversation } from "./shapes.ts";
import { shortTime } from "./time.ts";

interface Props {
  inbox: Inbox;
  selected: string | null;
  onSelect: (id: string) => void;
  onReload: () => void;
  onMore: () => void;
}

export function ConversationList({ inbox, selected, onSelect, onReload, onMore }: Props) {
  const { conversations, listError, moreCursor } = inbox;
  return (
    <nav aria-label="Conversations" onKeyDown={moveFocus}>
      {listError !== null && (
        <div className="notice" role="alert">
          <p>{listError}</p>
          <p>
            Look what runs with <code>airy status</code>, start it with <code>airy up</code>.
          </p>
          <button type="button" onClick={onReload}>
            Try again
          </button>
        </div>
      )}
      {conversations === null && listError === null && <p className="hint">Reading conversations</p>}
      {conversations?.length === 0 && (
        <div className="hint">
          <p>no messages yet: run</p>
          <p>
            <code>airy trigger message --text "hello"</code>
          </p>
          <p>or write to the connected Facebook page.</p>
        </div>
      )}
      <ul>
        {conversations?.map((conversation) => (
          <Entry key={conversation.id} conversation={conversation} current={conversation.id === selected} onSelect={onSelect} />
        ))}
      </ul>
      {moreCursor !== null && <Sentinel key={moreCursor} onSeen={onMore} label="Reading older conversations" />}
    </nav>
  );
}

function Entry({ conversation, current, onSelect }: { conversation: Conversation; current: boolean; onSelect: (id: string) => void }) {
  const unread = current ? 0 : unreadCount(conversation);
  const last = conversation.last_message;
  return (
    <li>
      <button type="button" className="entry" aria-current={current ? "true" : undefined} onClick={() => onSelect(conversation.id)}>
        <span className="name">{displayName(conversation)}</span>
        {last && (
          <time dateTime={last.sent_at} className="when">
            {shortTime(last.sent_at)}
          </time>
        )}
        <span className="last">
          {last && !last.from_contact && "You: "}
          {last ? preview(last.content) : "No messages"}
        </span>
        {unread > 0 && (
          <span className="unread">
            {unread > 99 ? "99+" : unread}
            <span className="spoken"> unread</span>
          </span>
        )}
        <span className="channel">
          {channelName(conversation.channel)}
          {!conversation.channel.connected && " (disconnected)"}
        </span>
      </button>
    </li>
  );
}

/** Arrow keys, Home and End move through the list. */
function moveFocus(event: KeyboardEvent<HTMLElement>) {
  const entries = [...event.currentTarget.querySelectorAll<HTMLButtonElement>("button.entry")];
  const at = entries.findIndex((entry) => entry === document.activeElement);
  if (at < 0) return;
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
  const entry = to === undefined ? undefined : entries[to];
  if (!entry) return;
  event.preventDefault();
  entry.focus();
}

/** Calls `onSeen` whenever it comes into view. */
export function Sentinel({ onSeen, label }: { onSeen: () => void; label: string }) {
  const element = useRef<HTMLParagraphElement>(null);
  const seen = useRef(onSeen);
  seen.current = onSeen;
  useEffect(() => {
    if (!element.current) return;
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) seen.current();
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return (
    <p ref={element} className="hint">
      {label}
    </p>
  );
}
