/** What stands where there is nothing to show, and says what to do next. */
import { everything } from "../api/view.ts";
import { channelName } from "../content/names.ts";
import { line } from "../content/text.ts";
import type { Actions } from "../state/actions.ts";
import type { Inbox } from "../state/inbox.ts";
import { Icon } from "./icons.tsx";

export function ListTrouble({ error, onAgain }: { error: string; onAgain: () => void }) {
  return (
    <div className="notice" role="alert">
      <p>{error}</p>
      <p>
        Look what runs with <code>airy status</code>, start it with <code>airy up</code>.
      </p>
      <button type="button" onClick={onAgain}>
        Try again
      </button>
    </div>
  );
}

export function EmptyList({ inbox, actions }: { inbox: Inbox; actions: Actions }) {
  const { view } = inbox.list;
  if (view.unread || view.state !== "all" || view.search !== "" || view.tags.length > 0 || view.channels.length > 0) {
    return (
      <div className="hint">
        <p>{view.search === "" ? "No conversation is like this." : `Nobody here is called “${view.search}”.`}</p>
        <button type="button" onClick={() => actions.setView(everything)}>
          Show all conversations
        </button>
      </div>
    );
  }
  if (inbox.channels?.length === 0) {
    return (
      <div className="hint">
        <p>
          <strong>No page is connected yet.</strong>
        </p>
        <p>Messages of a Facebook page come here once the page is connected:</p>
        <p>
          <code>airy up</code> says how; <code>airy up --sandbox</code> needs no page at all.
        </p>
      </div>
    );
  }
  return (
    <div className="hint">
      <p>
        <strong>No messages yet.</strong>
      </p>
      <p>Write to the connected page, or let a customer of the sandbox write:</p>
      <p>
        <code>airy trigger message --text "hello"</code>
      </p>
    </div>
  );
}

/** In the place of the messages while no conversation is chosen. */
export function Nothing({ inbox }: { inbox: Inbox }) {
  const some = (inbox.list.ids?.length ?? 0) > 0;
  return (
    <main className="nothing">
      <Trouble inbox={inbox} />
      {inbox.list.ids?.length === 0 && (
        <div className="hint">
          <p>Messages are read and answered here.</p>
        </div>
      )}
      {some && (
        <div className="hint">
          <Icon name="reply" />
          <p>Choose a conversation.</p>
          <p className="wide-only">
            <kbd>J</kbd> and <kbd>K</kbd> go through them, <kbd>?</kbd> shows all keys.
          </p>
        </div>
      )}
    </main>
  );
}

/** What is wrong with the connection or with a channel. */
export function Trouble({ inbox, channel = null }: { inbox: Inbox; channel?: string | null }) {
  const broken = (inbox.channels ?? []).filter(({ id, metadata }) => (channel ?? id) === id && metadata?.["connection_state"] === "broken");
  return (
    <>
      {inbox.connection === "lost" && <Lost />}
      {broken.map((each) => (
        <p key={each.id} className="banner bad" role="status">
          <strong>{channelName(each)} cannot be answered:</strong> {reasonOf(each.metadata?.["connection_error"])} Connect it again with a
          new page token; <code>airy up</code> says how.
        </p>
      ))}
    </>
  );
}

/** Above the list: the connection, and what waits for a page that is not connected. */
export function ListTroubles({ inbox }: { inbox: Inbox }) {
  return (
    <>
      {inbox.connection === "lost" && <Lost />}
      {inbox.waiting.slice(0, 5).map(({ source, source_channel_id: id, deliveries }) => (
        <p key={`${source} ${id}`} className="banner" role="status">
          <strong>
            {source === "instagram" ? "Account" : "Page"} {line(id ?? "?", 40)} is not connected:
          </strong>{" "}
          {deliveries === 1 ? "one delivery waits" : `${deliveries.toLocaleString()} deliveries wait`}. They come here when it is connected;{" "}
          <code>airy up</code> says how.
        </p>
      ))}
    </>
  );
}

function Lost() {
  return (
    <p className="banner lost-banner" role="status">
      Not connected to the platform; trying again. What is shown may be out of date. See <code>airy status</code>.
    </p>
  );
}

function reasonOf(error: unknown): string {
  const reason = typeof error === "string" ? line(error, 300).replace(/[.\s]+$/, "") : "";
  return reason === "" ? "its token is not accepted any more." : `${reason}.`;
}
