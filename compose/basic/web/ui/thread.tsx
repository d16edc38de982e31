import { Fragment, useCallback, useEffect, useMemo, useRef } from "react";
import type { Conversation, Message } from "../api/shapes.ts";
import { isClosed, pictureOf, tagIds } from "../api/view.ts";
import { channelName, displayName } from "../content/names.ts";
import { answeredId, sourceId, suggestionsOf } from "../content/read.ts";
import type { Actions } from "../state/actions.ts";
import type { Inbox } from "../state/inbox.ts";
import { threadOf } from "../state/thread.ts";
import { Avatar } from "./avatar.tsx";
import { Icon } from "./icons.tsx";
import { DraftItem, MessageItem } from "./message.tsx";
import { Trouble } from "./nothing.tsx";
import { ReplyBox } from "./reply-box.tsx";
import { Safely } from "./safely.tsx";
import { Sentinel } from "./sentinel.tsx";
import { TagChip } from "./tags.tsx";
import { day } from "./time.ts";

interface Props {
  id: string;
  /** null while the list has not told of it. */
  conversation: Conversation | null;
  inbox: Inbox;
  actions: Actions;
  panel: boolean;
  onPanel: () => void;
  onBack: () => void;
}

/** Messages of one side that follow each other this closely are one saying. */
const TOGETHER_MS = 5 * 60_000;

export function ThreadPane({ id, conversation, inbox, actions, panel, onPanel, onBack }: Props) {
  const name = conversation ? displayName(conversation) : "Conversation";
  const missing = conversation === null && inbox.missing.includes(id);
  return (
    <main className="thread">
      <header className="title">
        <button type="button" className="plain square back" aria-label="Back to the list" onClick={onBack}>
          <Icon name="back" />
        </button>
        {conversation && <Avatar name={name} url={pictureOf(conversation)} owner={{ kind: "conversation", id }} />}
        <div className="who">
          <h1>{name}</h1>
          {conversation && <Subtitle conversation={conversation} inbox={inbox} />}
        </div>
        {conversation && (
          <>
            <button type="button" onClick={() => actions.toggleState(id)} title={isClosed(conversation) ? "Reopen (E)" : "Close (E)"}>
              <Icon name={isClosed(conversation) ? "reopen" : "check"} />
              <span className="label">{isClosed(conversation) ? "Reopen" : "Close"}</span>
            </button>
            <button
              type="button"
              className="square"
              aria-label="Contact and tags"
              aria-expanded={panel}
              title="Contact and tags (I)"
              onClick={onPanel}
            >
              <Icon name="person" />
            </button>
          </>
        )}
      </header>
      <Trouble inbox={inbox} channel={conversation?.channel.id ?? null} />
      {missing ? (
        <div className="hint">
          <p>
            <strong>This conversation is not here.</strong>
          </p>
          <p>The link may be of another workspace, or its data was deleted.</p>
        </div>
      ) : (
        <>
          <Messages id={id} name={name} inbox={inbox} actions={actions} />
          <Answer id={id} name={name} conversation={conversation} inbox={inbox} actions={actions} />
        </>
      )}
    </main>
  );
}

function Subtitle({ conversation, inbox }: { conversation: Conversation; inbox: Inbox }) {
  const own = tagIds(conversation);
  return (
    <p className="under">
      <span>
        {channelName(conversation.channel)}
        {isClosed(conversation) && ", closed"}
      </span>
      {inbox.tags
        .filter((tag) => own.includes(tag.id))
        .map((tag) => (
          <TagChip key={tag.id} tag={tag} />
        ))}
    </p>
  );
}

function Messages({ id, name, inbox, actions }: { id: string; name: string; inbox: Inbox; actions: Actions }) {
  const thread = threadOf(inbox, id);
  const { messages, drafts, olderCursor } = thread;
  const scroller = useRef<HTMLDivElement>(null);
  const bySource = useMemo(() => new Map(messages.map((message) => [sourceId(message), message])), [messages]);
  const onResend = useCallback((messageId: string, asPerson: boolean) => actions.resend(id, messageId, asPerson), [actions, id]);
  const onJump = useCallback((messageId: string) => {
    const element = document.getElementById(`m-${messageId}`);
    element?.scrollIntoView({ block: "center" });
    element?.focus();
  }, []);
  const count = messages.length;
  useEffect(() => {
    if (count > 0 && scroller.current && scroller.current.scrollTop > -50) actions.atNewest(id);
  }, [count, actions, id]);

  return (
    <div className="scroller" ref={scroller} tabIndex={0} role="log" aria-label={`Messages with ${name}`}>
      {/* The scroller lays out from the bottom, so that it stays at the newest message and keeps its place when older ones come. */}
      <div className="messages">
        {olderCursor !== null && messages.length > 0 && thread.error === null && (
          <Sentinel key={olderCursor} onSeen={() => actions.loadOlder(id)} label="Reading older messages" />
        )}
        {messages.length === 0 && thread.loading && <p className="hint">Reading messages</p>}
        {messages.length === 0 && !thread.loading && thread.error === null && <p className="hint">No messages.</p>}
        {thread.error !== null && (
          <div className="notice" role="alert">
            <p>{thread.error}</p>
            <button type="button" onClick={() => actions.open(id)}>
              Try again
            </button>
          </div>
        )}
        {messages.map((message, index) => {
          const answered = answeredBy(message, bySource);
          return (
            <Fragment key={message.id}>
              {beginsDay(messages[index - 1], message) && <p className="day">{day(message.sent_at)}</p>}
              <Safely fallback={<p className="message aside">A message that cannot be shown.</p>}>
                <MessageItem
                  message={message}
                  answered={answered}
                  goesOn={isTogether(message, messages[index + 1])}
                  onResend={onResend}
                  onJump={onJump}
                />
              </Safely>
            </Fragment>
          );
        })}
        {drafts.map((draft) => (
          <DraftItem
            key={draft.key}
            draft={draft}
            onAgain={() => {
              actions.discard(id, draft.key);
              actions.send(id, draft.content);
            }}
            onDiscard={() => actions.discard(id, draft.key)}
          />
        ))}
      </div>
    </div>
  );
}

function Answer({ id, name, conversation, inbox, actions }: Omit<Props, "panel" | "onPanel" | "onBack"> & { name: string }) {
  if (conversation && !conversation.channel.connected) {
    return <p className="hint">{channelName(conversation.channel)} is disconnected: replies cannot be sent. Connect it again to answer.</p>;
  }
  const last = threadOf(inbox, id).messages.findLast((message) => message.from_contact);
  const suggestions = last ? suggestionsOf(last) : [];
  return (
    <ReplyBox
      id={id}
      name={name}
      source={conversation?.channel.source ?? null}
      lastHeard={last?.sent_at ?? null}
      suggestions={suggestions}
      onSend={(content) => actions.send(id, content)}
    />
  );
}

function answeredBy(message: Message, bySource: Map<string | null, Message>): Message | null {
  const mid = answeredId(message);
  return mid === null ? null : (bySource.get(mid) ?? null);
}

function beginsDay(before: Message | undefined, message: Message): boolean {
  return before === undefined || day(before.sent_at) !== day(message.sent_at);
}

function isTogether(message: Message, next: Message | undefined): boolean {
  if (next === undefined || next.from_contact !== message.from_contact || message.delivery_state === "failed") return false;
  if (next.delivery_state !== message.delivery_state || day(next.sent_at) !== day(message.sent_at)) return false;
  return Date.parse(next.sent_at) - Date.parse(message.sent_at) < TOGETHER_MS;
}
