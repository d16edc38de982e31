import { type FormEvent, useEffect, useState } from "react";
import { createTemplate, deleteTemplate, listTemplates } from "../api/client.ts";
import type { Template } from "../api/shapes.ts";
import { preview } from "../content/read.ts";
import { bag, line, text as textOf } from "../content/text.ts";
import { Icon } from "./icons.tsx";

interface Props {
  /** Saved replies belong to a source: what Messenger understands, another may not. */
  source: string;
  /** What is written already: it can be saved. */
  text: string;
  onInsert: (text: string) => void;
  onSend: (content: unknown) => void;
  onClose: () => void;
}

/** Airy's templates: one with plain text goes into the field, a richer one is sent as it is. */
export function SavedReplies({ source, text, onInsert, onSend, onClose }: Props) {
  const [templates, error, reload] = useTemplates(source);
  const [search, setSearch] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const wanted = search.trim().toLocaleLowerCase();
  const found = (templates ?? []).filter((each) => `${each.name} ${wordsOf(each) ?? ""}`.toLocaleLowerCase().includes(wanted));
  const attempt = (work: Promise<unknown>) =>
    void work.then(reload, (failure: unknown) => setProblem(failure instanceof Error ? failure.message : "That did not work."));
  return (
    <section className="saved" aria-label="Saved replies" onKeyDown={(event) => event.key === "Escape" && onClose()}>
      <div className="row">
        <input
          aria-label="Search saved replies"
          type="search"
          placeholder="Search saved replies"
          value={search}
          autoFocus
          onChange={(event) => setSearch(event.target.value)}
        />
        <button type="button" className="plain square" aria-label="Close saved replies" onClick={onClose}>
          <Icon name="cross" />
        </button>
      </div>
      {(problem ?? error) !== null && (
        <p className="failed" role="alert">
          {problem ?? error}
        </p>
      )}
      {templates?.length === 0 && <p className="aside">No saved replies yet. Write one below and save it under a name.</p>}
      {templates !== null && templates.length > 0 && found.length === 0 && <p className="aside">None is called like this.</p>}
      <ul className="plain-list">
        {found.slice(0, 50).map((template) => (
          <li key={template.id} className="row">
            <button type="button" className="choice" onClick={() => use(template, onInsert, onSend)}>
              <strong>{line(template.name, 60)}</strong>
              <span className="aside">
                <bdi>{previewOf(template)}</bdi>
              </span>
              {wordsOf(template) === null && <span className="aside">is sent at once</span>}
            </button>
            <button
              type="button"
              className="plain square"
              aria-label={`Delete ${template.name}`}
              onClick={() => attempt(deleteTemplate(template.id))}
            >
              <Icon name="trash" />
            </button>
          </li>
        ))}
      </ul>
      {text.trim() !== "" && <SaveForm onSave={(name) => attempt(createTemplate(name, source, text.trim()))} />}
    </section>
  );
}

function SaveForm({ onSave }: { onSave: (name: string) => void }) {
  const [name, setName] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === "") return;
    onSave(name.trim());
    setName("");
  };
  return (
    <div className="row">
      <input
        aria-label="Name for what is written"
        placeholder="Save what is written as"
        value={name}
        maxLength={100}
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => event.key === "Enter" && submit(event)}
      />
      <button type="button" disabled={name.trim() === ""} onClick={submit}>
        Save
      </button>
    </div>
  );
}

function useTemplates(source: string): [Template[] | null, string | null, () => void] {
  const [templates, setTemplates] = useState<Template[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let gone = false;
    listTemplates(source).then(
      (found) => gone || setTemplates(found),
      (failure: unknown) => gone || setError(failure instanceof Error ? failure.message : "They could not be read."),
    );
    return () => {
      gone = true;
    };
  }, [source, turn]);
  return [templates, error, () => setTurn((n) => n + 1)];
}

function use(template: Template, onInsert: (text: string) => void, onSend: (content: unknown) => void): void {
  const words = wordsOf(template);
  if (words === null) onSend(messageOf(template));
  else onInsert(words);
}

/** The content of a template is either a message or `{message}`. */
function messageOf({ content }: Template): unknown {
  if (typeof content === "string") return { text: content };
  return bag(content)["message"] ?? content;
}

/** null when there is more in it than text. */
function wordsOf(template: Template): string | null {
  const message = messageOf(template);
  const others = Object.keys(bag(message)).filter((key) => key !== "text");
  return others.length === 0 ? textOf(bag(message)["text"]) : null;
}

function previewOf(template: Template): string {
  const content = messageOf(template);
  return preview({ id: template.id, content, sent_at: "", delivery_state: "pending", from_contact: false, metadata: null });
}
