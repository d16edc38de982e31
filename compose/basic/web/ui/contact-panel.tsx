import { type FormEvent, useEffect, useState } from "react";
import { contactOf } from "../api/client.ts";
import type { Contact, Conversation, Tag } from "../api/shapes.ts";
import { pictureOf, rawName, tagIds } from "../api/view.ts";
import { factsOf } from "../content/facts.ts";
import { channelName, displayName, sourceName } from "../content/names.ts";
import type { Fact } from "../content/parts.ts";
import { bag, line, readable } from "../content/text.ts";
import type { Actions } from "../state/actions.ts";
import { Avatar } from "./avatar.tsx";
import { Icon } from "./icons.tsx";
import { TagEditor } from "./tags.tsx";
import { exactly } from "./time.ts";

interface Props {
  conversation: Conversation;
  tags: Tag[];
  actions: Actions;
  onClose: () => void;
}

/** Who it is, from where, and how the conversation is tagged. */
export function ContactPanel({ conversation, tags, actions, onClose }: Props) {
  const { id, channel } = conversation;
  const contact = useContact(id);
  return (
    <aside className="panel" aria-label="Contact">
      <header>
        <h2>Contact</h2>
        <button type="button" className="plain square" aria-label="Close contact" onClick={onClose}>
          <Icon name="cross" />
        </button>
      </header>
      <div className="person">
        <Avatar name={displayName(conversation)} url={pictureOf(conversation)} owner={{ kind: "conversation", id }} />
        <Name conversation={conversation} onRename={(name) => actions.rename(id, name)} />
      </div>
      <section>
        <h3>Tags</h3>
        <TagEditor conversation={id} tags={tags} own={tagIds(conversation)} actions={actions} />
      </section>
      <section>
        <h3>About</h3>
        <Facts facts={aboutOf(conversation, contact)} />
      </section>
      <Notes conversation={conversation} />
      <p className="aside">
        {sourceName(channel.source)}, conversation <span className="mono">{id.slice(0, 8)}</span>
      </p>
    </aside>
  );
}

function Name({ conversation, onRename }: { conversation: Conversation; onRename: (name: string) => void }) {
  const [editing, setEditing] = useState(false);
  const [name, setName] = useState("");
  if (!editing) {
    const begin = () => {
      setName(line(rawName(conversation)));
      setEditing(true);
    };
    return (
      <p className="row">
        <strong className="whole-name">{displayName(conversation)}</strong>
        <button type="button" className="plain square" aria-label="Change the name" onClick={begin}>
          <Icon name="pencil" />
        </button>
      </p>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== "") onRename(name.trim());
    setEditing(false);
  };
  return (
    <form className="stack" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && setEditing(false)}>
      <input aria-label="Name" value={name} maxLength={200} autoFocus onChange={(event) => setName(event.target.value)} />
      <p className="row">
        <button type="submit" className="primary" disabled={name.trim() === ""}>
          Save
        </button>
        <button type="button" onClick={() => setEditing(false)}>
          Cancel
        </button>
      </p>
    </form>
  );
}

function Facts({ facts }: { facts: Fact[] }) {
  return (
    <dl className="facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>
            <bdi>{value}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** What programs have stored about the conversation through `metadata.upsert`. */
function Notes({ conversation }: { conversation: Conversation }) {
  const facts = factsOf(bag(conversation.metadata?.["user_data"]));
  if (facts.length === 0) return null;
  return (
    <section>
      <h3>Notes</h3>
      <Facts facts={facts} />
    </section>
  );
}

function aboutOf({ channel, created_at: since }: Conversation, contact: Contact | null): Fact[] {
  const facts: Fact[] = [["Channel", channelName(channel)]];
  if (since !== undefined) facts.push(["First message", exactly(since)]);
  if (contact === null) return facts;
  const told: [string, string | null][] = [
    ["Title", contact.title],
    ["Organization", contact.organization_name],
    ["Language", contact.locale],
    ...Object.entries(contact.via ?? {}).map(([key, value]): [string, string | null] => [
      readable(key),
      typeof value === "string" ? value : null,
    ]),
  ];
  for (const [label, value] of told) if (value !== null && value !== "") facts.push([label, line(value)]);
  return facts;
}

/** null while it is not known, and where the platform keeps no contacts. */
function useContact(conversation: string): Contact | null {
  const [contact, setContact] = useState<Contact | null>(null);
  useEffect(() => {
    let gone = false;
    contactOf(conversation).then(
      (found) => gone || setContact(found),
      () => {},
    );
    return () => {
      gone = true;
    };
  }, [conversation]);
  return contact;
}
