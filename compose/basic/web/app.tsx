/** The page: conversations at the left, the chosen one at the right; on a phone one of the two. */
import { useEffect, useState } from "react";
import { ConversationList } from "./conversation-list.tsx";
import { useInbox } from "./inbox.ts";
import { unreadCount } from "./state.ts";
import { ThreadPane } from "./thread.tsx";

export function App() {
  const [selected, select] = useSelection();
  const [inbox, actions] = useInbox(selected);
  const conversation = inbox.conversations?.find((c) => c.id === selected) ?? null;
  const unread = (inbox.conversations ?? []).reduce((sum, c) => sum + unreadCount(c), 0);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Airy inbox` : "Airy inbox";
  }, [unread]);

  return (
    <div className={`page ${selected === null ? "listing" : "reading"} ${inbox.connection}`}>
      <header>
        <h1>Airy inbox</h1>
        <p className="connection" role="status">
          {inbox.connection === "live" && "live"}
          {inbox.connection === "connecting" && "connecting"}
          {inbox.connection === "lost" && (
            <>
              not connected, trying again; see <code>airy status</code>
            </>
          )}
        </p>
      </header>
      <ConversationList inbox={inbox} selected={selected} onSelect={select} onReload={actions.reload} onMore={actions.loadMore} />
      {selected === null ? (
        <main className="nothing">{(inbox.conversations?.length ?? 0) > 0 && <p>Choose a conversation.</p>}</main>
      ) : (
        <ThreadPane key={selected} id={selected} conversation={conversation} inbox={inbox} actions={actions} onBack={() => select(null)} />
      )}
    </div>
  );
}

/** The chosen conversation lives in the address, so that reload, links and the browser's back button work. */
function useSelection(): [string | null, (id: string | null) => void] {
  const [selected, setSelected] = useState(fromAddress);
  useEffect(() => {
    const onChange = () => setSelected(fromAddress());
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  return [selected, (id) => (window.location.hash = id ?? "")];
}

function fromAddress(): string | null {
  const id = window.location.hash.slice(1);
  return /^[\w-]+$/.test(id) ? id : null;
}
