import { type FormEvent, useState } from "react";
import type { Tag } from "../api/shapes.ts";
import { line } from "../content/text.ts";
import type { Actions } from "../state/actions.ts";
import { Icon } from "./icons.tsx";

const colors = ["tag-blue", "tag-red", "tag-green", "tag-purple"] as const;

export function TagChip({ tag }: { tag: Tag }) {
  return <span className={`tag ${colorOf(tag)}`}>{line(tag.name, 40)}</span>;
}

function colorOf({ color }: Tag): string {
  return colors.find((known) => known === color) ?? "tag-blue";
}

interface Props {
  conversation: string;
  tags: Tag[];
  own: string[];
  actions: Actions;
}

/** The tags of a conversation: put on and taken off with one click, made and changed here as well. */
export function TagEditor({ conversation, tags, own, actions }: Props) {
  const [making, setMaking] = useState(false);
  const [managing, setManaging] = useState(false);
  if (managing) return <TagManager tags={tags} actions={actions} onDone={() => setManaging(false)} />;
  return (
    <>
      {tags.length > 0 && (
        <div className="tag-list">
          {tags.map((tag) => {
            const on = own.includes(tag.id);
            return (
              <button
                key={tag.id}
                type="button"
                className={`tag ${colorOf(tag)} ${on ? "on" : "off"}`}
                aria-pressed={on}
                onClick={() => (on ? actions.untag : actions.tag)(conversation, tag)}
              >
                {on && <Icon name="check" />}
                {line(tag.name, 40)}
              </button>
            );
          })}
        </div>
      )}
      {making ? (
        <TagForm
          label="Add"
          onCancel={() => setMaking(false)}
          onSubmit={(name, color) => {
            actions.createTag(name, color, conversation);
            setMaking(false);
          }}
        />
      ) : (
        <p className="row">
          <button type="button" className="link" onClick={() => setMaking(true)}>
            New tag
          </button>
          {tags.length > 0 && (
            <button type="button" className="link" onClick={() => setManaging(true)}>
              Change tags
            </button>
          )}
        </p>
      )}
    </>
  );
}

function TagManager({ tags, actions, onDone }: { tags: Tag[]; actions: Actions; onDone: () => void }) {
  const [editing, setEditing] = useState<string | null>(null);
  const [deleting, setDeleting] = useState<string | null>(null);
  return (
    <>
      <ul className="plain-list">
        {tags.map((tag) => (
          <li key={tag.id}>
            {editing === tag.id ? (
              <TagForm
                label="Save"
                tag={tag}
                onCancel={() => setEditing(null)}
                onSubmit={(name, color) => {
                  actions.updateTag({ id: tag.id, name, color });
                  setEditing(null);
                }}
              />
            ) : (
              <div className="row">
                <TagChip tag={tag} />
                <button type="button" className="plain square" aria-label={`Change ${tag.name}`} onClick={() => setEditing(tag.id)}>
                  <Icon name="pencil" />
                </button>
                {deleting === tag.id ? (
                  <button type="button" className="link bad" onClick={() => actions.deleteTag(tag)}>
                    Delete it everywhere
                  </button>
                ) : (
                  <button type="button" className="plain square" aria-label={`Delete ${tag.name}`} onClick={() => setDeleting(tag.id)}>
                    <Icon name="trash" />
                  </button>
                )}
              </div>
            )}
          </li>
        ))}
      </ul>
      <button type="button" onClick={onDone}>
        Done
      </button>
    </>
  );
}

interface FormProps {
  label: string;
  tag?: Tag;
  onSubmit: (name: string, color: string) => void;
  onCancel: () => void;
}

function TagForm({ label, tag, onSubmit, onCancel }: FormProps) {
  const [name, setName] = useState(tag?.name ?? "");
  const [color, setColor] = useState(tag ? colorOf(tag) : "tag-blue");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== "") onSubmit(name.trim(), color);
  };
  return (
    <form className="stack" onSubmit={submit}>
      <input
        aria-label="Name of the tag"
        value={name}
        maxLength={50}
        placeholder="Name"
        autoFocus
        onChange={(event) => setName(event.target.value)}
      />
      <div className="swatches" role="radiogroup" aria-label="Colour">
        {colors.map((each) => (
          <label key={each} className={`swatch ${each}`}>
            <input type="radio" name="color" value={each} checked={color === each} onChange={() => setColor(each)} />
            <span className="spoken">{each.slice(4)}</span>
          </label>
        ))}
      </div>
      <p className="row">
        <button type="submit" className="primary" disabled={name.trim() === ""}>
          {label}
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </p>
    </form>
  );
}
