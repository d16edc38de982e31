/** The customer's phone: the conversation with the page, and what can be pressed. */
import { useEffect, useRef } from "react";
import type { Chat } from "./chat.ts";
import { Composer } from "./composer.tsx";
import { Bubble } from "./bubble.tsx";
import { channelName } from "./people-list.tsx";
import type { Conversation, Profile } from "./shapes.ts";

export function Phone({ chat, onBack }: { chat: Chat; onBack: () => void }) {
  const { conversation, act } = chat;
  const end = useRef<HTMLDivElement>(null);
  const count = conversation?.messages.length ?? 0;
  const typing = conversation?.customer.typing ?? false;
  useEffect(() => {
    // Newer browsers return a promise, which would be taken for the effect's end.
    void end.current?.scrollIntoView({ block: "end" });
  }, [count, typing]);
  if (!conversation) return <main className="phone" aria-busy="true" />;
  const { customer, page, messages } = conversation;
  const last = messages.at(-1);
  const offered = last?.from === "page" ? (last.message?.quick_replies ?? []) : [];
  return (
    <main className="phone" aria-label={`${customer.name} and ${page.name}`}>
      <div className="title">
        <button type="button" className="back plain" onClick={onBack} aria-label="Back to the customers">
          ‹
        </button>
        <img src={page.picture} alt="" width="36" height="36" />
        <div>
          <h2>{page.name}</h2>
          <p>
            {channelName(customer.channel)}, as {customer.name}
          </p>
        </div>
      </div>
      <div className="scroller" tabIndex={0} role="log" aria-label="Messages">
        <div className="messages">
          {messages.length === 0 && <Welcome profile={page.profile} chat={chat} />}
          {messages.map((message) => (
            <Bubble key={message.mid} message={message} conversation={conversation} act={act} />
          ))}
          {lastSeen(conversation) && <p className="seen">Seen by {page.name}</p>}
          {typing && (
            <p className="typing" role="status">
              <span className="spoken">{page.name} is typing</span>
              <i />
              <i />
              <i />
            </p>
          )}
          {offered.length > 0 && (
            <div className="quick" role="group" aria-label="Quick replies">
              {offered.map((reply, index) => (
                <button
                  key={index}
                  type="button"
                  onClick={() =>
                    void act({ kind: "message", text: reply.title ?? answerTo(reply.content_type), quickReply: reply.payload ?? "" })
                  }
                >
                  {reply.image_url && <img src={reply.image_url} alt="" width="18" height="18" />}
                  {reply.title ?? answerTo(reply.content_type)}
                </button>
              ))}
            </div>
          )}
          <div ref={end} />
        </div>
      </div>
      {chat.notice !== null && (
        <p className="notice" role="alert">
          {chat.notice}
          <button type="button" className="plain" onClick={chat.dismiss}>
            OK
          </button>
        </p>
      )}
      <Menu profile={page.profile} chat={chat} />
      <Composer
        onText={(text) => act({ kind: "message", text })}
        onSticker={() => void act({ kind: "sticker" })}
        onLike={() => void act({ kind: "message", text: "👍" })}
        onFile={(file) => void chat.attach(file)}
      />
    </main>
  );
}

/** Whether the page has seen the customer's last message. */
function lastSeen({ customer, messages }: Conversation): boolean {
  const last = messages.at(-1);
  return last?.from === "customer" && customer.seenByPage >= last.at;
}

/** What a phone would put in for the customer. */
function answerTo(contentType: string | undefined): string {
  if (contentType === "user_email") return "ada@example.com";
  return contentType === "user_phone_number" ? "+49 30 901820" : "Yes";
}

function Welcome({ profile, chat }: { profile: Profile; chat: Chat }) {
  const questions = (profile.ice_breakers ?? []).flatMap((each) => each.call_to_actions ?? [each]);
  const start = profile.get_started;
  return (
    <div className="welcome">
      <p>{profile.greeting?.[0]?.text ?? "Nothing said yet. Write the first message below."}</p>
      {start && (
        <button
          type="button"
          onClick={() => void chat.act({ kind: "postback", title: "Get Started", payload: start.payload ?? "GET_STARTED" })}
        >
          Get Started
        </button>
      )}
      {questions.map(({ question = "", payload = "" }) => (
        <button key={question} type="button" onClick={() => void chat.act({ kind: "postback", title: question, payload })}>
          {question}
        </button>
      ))}
    </div>
  );
}

function Menu({ profile, chat }: { profile: Profile; chat: Chat }) {
  const actions = profile.persistent_menu?.[0]?.call_to_actions ?? [];
  if (actions.length === 0) return null;
  return (
    <details className="menu">
      <summary>Menu</summary>
      {actions.map(({ title = "", payload = "", url }, index) =>
        url === undefined ? (
          <button key={index} type="button" onClick={() => void chat.act({ kind: "postback", title, payload })}>
            {title}
          </button>
        ) : (
          <a key={index} href={url} target="_blank" rel="noreferrer noopener">
            {title}
          </a>
        ),
      )}
    </details>
  );
}
