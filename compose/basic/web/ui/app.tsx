import { useEffect, useRef, useState } from "react";
import { isBlank, line } from "../content/text.ts";
import { shown } from "../state/list.ts";
import { type Inbox, unreadMessages } from "../state/inbox.ts";
import { useInbox } from "../state/use-inbox.ts";
import { ContactPanel } from "./contact-panel.tsx";
import { ConversationList } from "./conversation-list.tsx";
import { setFavicon } from "./favicon.ts";
import { ListHead } from "./list-head.tsx";
import { ListTroubles, Nothing } from "./nothing.tsx";
import { Notice } from "./notice.tsx";
import { remembered, remember } from "../remember.ts";
import { ShortcutHelp, useShortcuts } from "./shortcuts.tsx";
import { ThreadPane } from "./thread.tsx";

export function App() {
  const [selected, select] = useSelection();
  const [inbox, actions] = useInbox(selected);
  const [panel, showPanel] = usePanel();
  const [help, showHelp] = useState(false);
  const name = workspaceName(inbox);
  useTitle(name, inbox);
  const step = (by: number) => {
    const ids = shown(inbox.list, inbox.conversations).map((conversation) => conversation.id);
    const next = ids[ids.indexOf(selected ?? "") + by];
    if (next !== undefined) select(next);
  };
  useShortcuts({
    next: () => step(1),
    previous: () => step(-1),
    close: () => selected !== null && actions.toggleState(selected),
    panel: () => selected !== null && showPanel(!panel),
    back: () => select(null),
    help: () => showHelp(true),
  });
  const conversation = selected === null ? null : (inbox.conversations[selected] ?? null);
  const classes = ["page", selected === null ? "listing" : "reading", inbox.connection, selected !== null && panel ? "with-panel" : ""];

  return (
    <div className={classes.join(" ")}>
      <nav aria-label="Conversations" className="side">
        <ListHead name={name} inbox={inbox} actions={actions} onHelp={() => showHelp(true)} />
        <div className="troubles">
          <ListTroubles inbox={inbox} />
        </div>
        <ConversationList inbox={inbox} selected={selected} actions={actions} onSelect={select} />
      </nav>
      {selected === null ? (
        <Nothing inbox={inbox} />
      ) : (
        <ThreadPane
          key={selected}
          id={selected}
          conversation={conversation}
          inbox={inbox}
          actions={actions}
          panel={panel}
          onPanel={() => showPanel(!panel)}
          onBack={() => select(null)}
        />
      )}
      {conversation !== null && panel && (
        <ContactPanel
          key={conversation.id}
          conversation={conversation}
          tags={inbox.tags}
          actions={actions}
          onClose={() => showPanel(false)}
        />
      )}
      <Notice notice={inbox.notice} onDismiss={actions.dismiss} />
      {help && <ShortcutHelp onClose={() => showHelp(false)} />}
    </div>
  );
}

/** A platform that has no name for its workspace is just an inbox. */
function workspaceName({ workspace }: Inbox): string {
  const name = line(workspace ?? "", 60);
  return isBlank(name) ? "Airy inbox" : name;
}

function useTitle(name: string, inbox: Inbox): void {
  const { count, more } = unreadMessages(inbox);
  useEffect(() => {
    document.title = count > 0 ? `(${count}${more ? "+" : ""}) ${name}` : name;
    setFavicon(name, count);
  }, [name, count, more]);
}

/** The chosen conversation lives in the address, so that reload, links and the browser's back button work. */
function useSelection(): [string | null, (id: string | null) => void] {
  const [selected, setSelected] = useState(fromAddress);
  useEffect(() => {
    const onChange = () => setSelected(fromAddress());
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  return [selected, select];
}

function select(id: string | null): void {
  window.location.hash = id ?? "";
}

function fromAddress(): string | null {
  const id = window.location.hash.slice(1);
  return /^[\w-]{1,100}$/.test(id) ? id : null;
}

/** Beside the messages where there is room for it, and as it was left. */
function usePanel(): [boolean, (open: boolean) => void] {
  const roomy = useRef(window.matchMedia("(min-width: 1200px)"));
  const [open, setOpen] = useState(() => roomy.current.matches && remembered("panel") !== "closed");
  return [
    open,
    (next) => {
      if (roomy.current.matches) remember("panel", next ? "open" : "closed");
      setOpen(next);
    },
  ];
}
