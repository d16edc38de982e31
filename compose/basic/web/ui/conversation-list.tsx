import { type KeyboardEvent, memo, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Conversation, Tag } from "../api/shapes.ts";
import { isClosed, pictureOf, tagIds, unreadCount } from "../api/view.ts";
import { channelName, displayName } from "../content/names.ts";
import { preview } from "../content/read.ts";
import type { Actions } from "../state/actions.ts";
import type { Inbox } from "../state/inbox.ts";
import { shown } from "../state/list.ts";
import { Avatar } from "./avatar.tsx";
import { EmptyList, ListTrouble } from "./nothing.tsx";
import { Safely } from "./safely.tsx";
import { TagChip } from "./tags.tsx";
import { shortTime } from "./time.ts";

interface Props {
  inbox: Inbox;
  selected: string | null;
  actions: Actions;
  onSelect: (id: string) => void;
}

/** Height of a row, as main.css has it. */
const ROW_REM = 4.75;
/** Rows that are drawn beyond what is seen. */
const AROUND = 8;
/** Rows before the end where further ones are asked for. */
const AHEAD = 15;

/** Of the list, however long it is, only the rows in sight exist. */
export function ConversationList({ inbox, selected, actions, onSelect }: Props) {
  const { list, conversations } = inbox;
  const rows = shown(list, conversations);
  const scroller = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState<string | null>(null);
  const { first, last, row } = useWindow(scroller, rows);
  const nearEnd = list.more && last + AHEAD >= rows.length;
  useEffect(() => {
    if (nearEnd && list.error === null) actions.loadMore();
  }, [nearEnd, rows.length, list.pending, list.error, actions]);

  const drawn = rows.map((conversation, at) => ({ conversation, at })).slice(first, last);
  const away = rows.findIndex(({ id }) => id === focused);
  // Who works with the keyboard does not lose the place when it scrolls out of sight.
  if (away >= 0 && (away < first || away >= last)) drawn.push({ conversation: rows[away] as Conversation, at: away });

  return (
    <div ref={scroller} className="rows" onKeyDown={(event) => moveFocus(event, row)}>
      {list.error !== null && <ListTrouble error={list.error} onAgain={actions.reload} />}
      {list.ids === null && list.error === null && <p className="hint">Reading conversations</p>}
      {list.ids?.length === 0 && list.error === null && <EmptyList inbox={inbox} actions={actions} />}
      <ul style={{ height: rows.length * row }}>
        {drawn.map(({ conversation, at }) => (
          <li key={conversation.id} aria-setsize={list.total ?? -1} aria-posinset={at + 1} style={{ top: at * row }}>
            <Safely fallback={<p className="entry">A conversation that cannot be shown.</p>}>
              <Entry
                conversation={conversation}
                current={conversation.id === selected}
                tags={inbox.tags}
                onSelect={onSelect}
                onFocus={setFocused}
              />
            </Safely>
          </li>
        ))}
      </ul>
      {list.pending > 0 && rows.length > 0 && list.more && <p className="hint">Reading further conversations</p>}
    </div>
  );
}

interface EntryProps {
  conversation: Conversation;
  current: boolean;
  tags: Tag[];
  onSelect: (id: string) => void;
  onFocus: (id: string | null) => void;
}

const Entry = memo(function Entry({ conversation, current, tags, onSelect, onFocus }: EntryProps) {
  const { id, channel, last_message: last } = conversation;
  const unread = current ? 0 : unreadCount(conversation);
  const name = displayName(conversation);
  const own = tagIds(conversation);
  return (
    <button
      type="button"
      onClick={() => onSelect(id)}
      className={unread > 0 ? "entry new" : "entry"}
      aria-current={current ? "true" : undefined}
      onFocus={() => onFocus(id)}
      onBlur={() => onFocus(null)}
    >
      <Avatar name={name} url={pictureOf(conversation)} owner={{ kind: "conversation", id }} />
      <span className="name">{name}</span>
      {last && (
        <time dateTime={last.sent_at} className="when">
          {shortTime(last.sent_at)}
        </time>
      )}
      <span className="last">
        {last?.delivery_state === "failed" && <span className="failed">Not delivered: </span>}
        {last && !last.from_contact && last.delivery_state !== "failed" && "You: "}
        <bdi>{last ? preview(last) : "No messages"}</bdi>
      </span>
      {unread > 0 && (
        <span className="unread">
          {unread > 99 ? "99+" : unread}
          <span className="spoken"> unread</span>
        </span>
      )}
      <span className="foot">
        <span className="channel">
          {channelName(channel)}
          {!channel.connected && " (disconnected)"}
        </span>
        {isClosed(conversation) && <span className="closed">closed</span>}
        {tags
          .filter((tag) => own.includes(tag.id))
          .map((tag) => (
            <TagChip key={tag.id} tag={tag} />
          ))}
      </span>
    </button>
  );
});

/** Which rows are in sight; keeps what is looked at in its place when rows above come and go. */
function useWindow(scroller: { current: HTMLDivElement | null }, rows: Conversation[]) {
  const [seen, setSeen] = useState({ top: 0, height: 900 });
  const row = useRowHeight();
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const look = () => setSeen({ top: element.scrollTop, height: element.clientHeight });
    look();
    element.addEventListener("scroll", look, { passive: true });
    const resized = new ResizeObserver(look);
    resized.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      resized.disconnect();
    };
  }, [scroller]);

  const middle = useRef<{ id: string; at: number } | null>(null);
  useLayoutEffect(() => {
    const before = middle.current;
    const element = scroller.current;
    if (!before || !element || element.scrollTop < row) return;
    const at = rows.findIndex(({ id }) => id === before.id);
    // The one in the middle went to the top itself when it is the first now.
    if (at > 0 && at !== before.at) element.scrollTop += (at - before.at) * row;
  }, [rows, row, scroller]);
  useLayoutEffect(() => {
    const at = Math.min(rows.length - 1, Math.floor((seen.top + seen.height / 2) / row));
    middle.current = rows[at] ? { id: rows[at].id, at } : null;
  });

  const first = Math.max(0, Math.floor(seen.top / row) - AROUND);
  return { first, last: Math.min(rows.length, Math.ceil((seen.top + seen.height) / row) + AROUND), row };
}

function useRowHeight(): number {
  const [rem] = useState(() => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16);
  return rem * ROW_REM;
}

/** Arrow keys, Home and End move through the list. */
function moveFocus(event: KeyboardEvent<HTMLElement>, row: number) {
  const list = event.currentTarget;
  const entries = [...list.querySelectorAll<HTMLElement>(".entry")].toSorted((a, b) => topOf(a) - topOf(b));
  const at = entries.findIndex((entry) => entry === document.activeElement);
  if (at < 0) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    entries[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }
  if (event.key === "Home" || event.key === "End") {
    event.preventDefault();
    list.scrollTop = event.key === "Home" ? 0 : list.scrollHeight;
    // The rows there are drawn after the scroll.
    requestAnimationFrame(() => requestAnimationFrame(() => focusEdge(list, event.key === "Home", row)));
  }
}

function focusEdge(list: HTMLElement, top: boolean, row: number): void {
  const entries = [...list.querySelectorAll<HTMLElement>(".entry")].toSorted((a, b) => topOf(a) - topOf(b));
  const entry = top ? entries[0] : entries.at(-1);
  if (entry && row > 0) entry.focus();
}

function topOf(entry: HTMLElement): number {
  return entry.closest("li")?.offsetTop ?? 0;
}
