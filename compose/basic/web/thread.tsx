import { Fragment } from "react";
import { Sentinel } from "./conversation-list.tsx";
import type { Actions } from "./inbox.ts";
import { DraftItem, MessageItem } from "./message.tsx";
import { ReplyBox } from "./reply-box.tsx";
import type { Conversation } from "./shapes.ts";
import { channelName, displayName, type Inbox, threadOf } from "./state.ts";
import { day } from "./time.ts";

interface Props {
  id: string;
  /** null while the list has not told of it. */
  conversation: Conversation | null;
  inbox: Inbox;
  actions: Actions;
  onBack: () => void;
}

export function ThreadPane({ id, conversation, inbox, actions, onBack }: Props) {
  const thread = threadOf(inbox, id);
  const { messages, drafts, olderCursor } = thread;
  const name = conversation ? displayName(conversation) : "Conversation";
  const connected = conversation?.channel.connected ?? true;
  return (
    <main className="thread" onKeyDown={(event) => event.key === "Escape" && onBack()}>
      <div className="title">
        <button type="button" className="back" onClick={onBack}>
          <span aria-hidden="true">&#8592; </span>Back
        </button>
        <h2>{name}</h2>
        {conversation && <p>{channelName(conversation.channel)}</p>}
      </div>
      <div className="scroller" tabIndex={0} role="log" aria-label={`Messages with ${name}`}>
        {/* The scroller lays out from the bottom, so that it stays at the newest message and keeps its place when older ones come. */}
        <div className="messages">
          {olderCursor !== null && messages.length > 0 && (
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
            const today = day(message.sent_at);
            const before = messages[index - 1];
            return (
              <Fragment key={message.id}>
                {(!before || day(before.sent_at) !== today) && <p className="day">{today}</p>}
                <MessageItem message={message} />
              </Fragment>
            );
          })}
          {drafts.map((draft) => (
            <DraftItem
              key={draft.key}
              draft={draft}
              onAgain={() => {
                actions.discard(id, draft.key);
                actions.send(id, draft.text);
              }}
              onDiscard={() => actions.discard(id, draft.key)}
            />
          ))}
        </div>
      </div>
      {connected ? (
        <ReplyBox name={name} onSend={(text) => actions.send(id, text)} />
      ) : (
        <p className="hint">This channel is disconnected; replies cannot be sent. Connect it again to answer.</p>
      )}
    </main>
  );
}
