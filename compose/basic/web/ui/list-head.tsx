import { useEffect, useId, useState } from "react";
import { isClosed, unreadCount, type View } from "../api/view.ts";
import { channelName } from "../content/names.ts";
import type { Actions } from "../state/actions.ts";
import type { Inbox } from "../state/inbox.ts";
import { Icon } from "./icons.tsx";
import { TagChip } from "./tags.tsx";

interface Props {
  name: string;
  inbox: Inbox;
  actions: Actions;
  onHelp: () => void;
}

const states: [View["state"], string][] = [
  ["all", "All"],
  ["open", "Open"],
  ["closed", "Closed"],
];

/** Typing is not a search until it pauses. */
const PAUSE_MS = 250;

/** What stands above the list: whose inbox it is, whether it is live, and what of it is shown. */
export function ListHead({ name, inbox, actions, onHelp }: Props) {
  const { view } = inbox.list;
  const [search, setSearch] = useState(view.search);
  const [more, showMore] = useState(false);
  const filters = useId();
  const set = (change: Partial<View>) => actions.setView({ ...view, search, ...change });
  useEffect(() => {
    if (search === view.search) return;
    const later = setTimeout(() => actions.setView({ ...view, search }), PAUSE_MS);
    return () => clearTimeout(later);
  }, [search, view, actions]);
  // "Show all conversations" takes the search back as well.
  useEffect(() => {
    if (view.search === "") setSearch("");
  }, [view.search]);
  const chosen = (view.unread ? 1 : 0) + view.tags.length + view.channels.length;

  return (
    <header className="head">
      <div className="brand">
        <h1>{name}</h1>
        <Connection state={inbox.connection} />
        <button type="button" className="plain square wide-only" aria-label="Keyboard" title="Keyboard (?)" onClick={onHelp}>
          <Icon name="keyboard" />
        </button>
      </div>
      <div className="find">
        <label className="field">
          <Icon name="search" />
          <span className="spoken">Search names</span>
          <input
            className="search"
            type="search"
            value={search}
            maxLength={100}
            placeholder="Search names"
            onChange={(event) => setSearch(event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && setSearch("")}
          />
        </label>
        <button
          type="button"
          className={`square ${chosen > 0 ? "on" : ""}`}
          aria-expanded={more}
          aria-controls={filters}
          aria-label={chosen > 0 ? `Filters, ${chosen} chosen` : "Filters"}
          title="Filters"
          onClick={() => showMore(!more)}
        >
          <Icon name="filter" />
        </button>
      </div>
      <div className="states" role="group" aria-label="State">
        {states.map(([state, label]) => (
          <button key={state} type="button" aria-pressed={view.state === state} onClick={() => set({ state })}>
            {label}
            {state === "closed" && view.state === "open" && <Overlooked inbox={inbox} />}
          </button>
        ))}
        <button type="button" className="apart" aria-pressed={view.unread} onClick={() => set({ unread: !view.unread })}>
          Unread
        </button>
      </div>
      <div id={filters} hidden={!more} className="filters">
        {more && <Filters inbox={inbox} set={set} />}
      </div>
      {!more && chosen > (view.unread ? 1 : 0) && (
        <p className="filtered">
          Filtered by {described(inbox)}.{" "}
          <button type="button" className="link" onClick={() => set({ tags: [], channels: [] })}>
            Show all
          </button>
        </p>
      )}
    </header>
  );
}

/** Somebody wrote into a closed conversation, which a list of open ones does not show. */
function Overlooked({ inbox }: { inbox: Inbox }) {
  const count = Object.values(inbox.conversations).filter((each) => isClosed(each) && unreadCount(each) > 0).length;
  if (count === 0) return null;
  return (
    <span className="unread">
      {count}
      <span className="spoken"> with unread messages</span>
    </span>
  );
}

function Connection({ state }: { state: Inbox["connection"] }) {
  const words = { live: "live", connecting: "connecting", lost: "not connected" }[state];
  return (
    <p className="connection" role="status">
      <span className="dot" aria-hidden="true" />
      {words}
    </p>
  );
}

function Filters({ inbox, set }: { inbox: Inbox; set: (change: Partial<View>) => void }) {
  const { view } = inbox.list;
  const channels = inbox.channels ?? [];
  return (
    <>
      <fieldset>
        <legend>Tags</legend>
        {inbox.tags.length === 0 && <p className="aside">No tags yet. They are made beside a conversation.</p>}
        {inbox.tags.map((tag) => (
          <label key={tag.id} className="pick">
            <input type="checkbox" checked={view.tags.includes(tag.id)} onChange={() => set({ tags: toggled(view.tags, tag.id) })} />
            <TagChip tag={tag} />
          </label>
        ))}
      </fieldset>
      <fieldset>
        <legend>Channels</legend>
        {channels.map((channel) => (
          <label key={channel.id} className="pick">
            <input
              type="checkbox"
              checked={view.channels.includes(channel.id)}
              onChange={() => set({ channels: toggled(view.channels, channel.id) })}
            />
            {channelName(channel)}
          </label>
        ))}
      </fieldset>
    </>
  );
}

function described({ list: { view }, tags, channels }: Inbox): string {
  const names = [
    ...view.tags.map((id) => tags.find((tag) => tag.id === id)?.name ?? "a tag"),
    ...view.channels
      .map((id) => channels?.find((channel) => channel.id === id))
      .map((channel) => (channel ? channelName(channel) : "a channel")),
  ];
  return names.join(", ");
}

function toggled(ids: string[], id: string): string[] {
  return ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id];
}
