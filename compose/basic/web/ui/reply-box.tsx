import { type FormEvent, type KeyboardEvent, useRef, useState } from "react";
import { line } from "../content/text.ts";
import { Attach } from "./attach.tsx";
import { Icon } from "./icons.tsx";
import { remember, remembered } from "../remember.ts";
import { SavedReplies } from "./saved-replies.tsx";
import { ago, hoursSince } from "./time.ts";

interface Props {
  id: string;
  name: string;
  source: string | null;
  /** When the customer wrote last, as far as it was read. */
  lastHeard: string | null;
  /** What a program suggests to answer. */
  suggestions: string[];
  onSend: (content: unknown) => void;
}

interface Limit {
  most: number;
  sizeOf: (text: string) => number;
  unit: string;
}

/** What the sources take in one message (Messenger Platform, Send API; Instagram counts bytes). */
const limits: Record<string, Limit> = {
  facebook: { most: 2000, sizeOf: (text) => text.length, unit: "characters" },
  instagram: { most: 1000, sizeOf: (text) => new TextEncoder().encode(text).length, unit: "bytes" },
};

/** Meta lets a page answer for this long after the customer's last message. */
const WINDOW_HOURS = 24;

/** What was begun is still there when the conversation is opened again. */
function useDraft(id: string): [string, (next: string) => void] {
  const [text, setText] = useState(() => remembered(`draft.${id}`) ?? "");
  return [
    text,
    (next) => {
      setText(next);
      remember(`draft.${id}`, next.trim() === "" ? null : next);
    },
  ];
}

function Suggestions({ suggestions, onPick }: { suggestions: string[]; onPick: (words: string) => void }) {
  if (suggestions.length === 0) return null;
  return (
    <div className="row" role="group" aria-label="Suggested replies">
      {suggestions.map((words, index) => (
        <button key={index} type="button" className="suggestion" title={words} onClick={() => onPick(words)}>
          {line(words, 60)}
        </button>
      ))}
    </div>
  );
}

/** How much room is left, or else which keys do what. */
function Hint({ size, limit }: { size: number; limit: Limit | undefined }) {
  const near = limit !== undefined && size > limit.most * 0.8;
  const tooLong = limit !== undefined && size > limit.most;
  return (
    <p id="reply-keys" className={tooLong ? "keys-hint failed" : "keys-hint"}>
      {near
        ? `${size.toLocaleString()} of ${limit.most.toLocaleString()} ${limit.unit}${tooLong ? ": too long to be sent" : ""}`
        : "Enter sends, Shift+Enter begins a new line"}
    </p>
  );
}

function Late({ name, lastHeard }: { name: string; lastHeard: string }) {
  return (
    <p className="aside window">
      <Icon name="clock" /> {name} wrote {ago(lastHeard)}. Meta takes replies for 24 hours after the customer's last message, so this one
      may be refused.
    </p>
  );
}

/** Enter sends, Shift+Enter begins a new line; Enter that picks a candidate of an input method does neither. */
export function ReplyBox({ id, name, source, lastHeard, suggestions, onSend }: Props) {
  const [text, setText] = useDraft(id);
  const [saved, showSaved] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const limit = limits[source ?? ""];
  const size = limit?.sizeOf(text) ?? 0;
  const tooLong = limit !== undefined && size > limit.most;
  const send = (event: FormEvent | KeyboardEvent) => {
    event.preventDefault();
    if (text.trim() === "" || tooLong) return;
    onSend({ text: text.trim() });
    setText("");
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") field.current?.blur();
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) send(event);
  };
  const insert = (words: string) => {
    setText(text.trim() === "" ? words : `${text.trimEnd()} ${words}`);
    showSaved(false);
    field.current?.focus();
  };
  const sendSaved = (content: unknown) => {
    onSend(content);
    showSaved(false);
  };
  const late = limit !== undefined && lastHeard !== null && hoursSince(lastHeard) > WINDOW_HOURS;
  return (
    <div className="reply">
      {late && <Late name={name} lastHeard={lastHeard} />}
      {saved && source !== null && (
        <SavedReplies source={source} text={text} onInsert={insert} onSend={sendSaved} onClose={() => showSaved(false)} />
      )}
      <Suggestions suggestions={suggestions} onPick={insert} />
      {problem !== null && (
        <p className="keys-hint failed" role="alert">
          {problem}
        </p>
      )}
      <form className="write" onSubmit={send}>
        <button
          type="button"
          className="plain square"
          aria-label="Saved replies"
          title="Saved replies"
          aria-expanded={saved}
          onClick={() => showSaved(!saved)}
        >
          <Icon name="bolt" />
        </button>
        <Attach onSend={onSend} onProblem={setProblem} />
        <textarea
          ref={field}
          className="words"
          value={text}
          rows={Math.min(8, text.split("\n").length)}
          dir="auto"
          aria-label={`Reply to ${name}`}
          placeholder="Write a reply"
          aria-describedby="reply-keys"
          aria-invalid={tooLong || undefined}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <button type="submit" className="primary" disabled={text.trim() === "" || tooLong}>
          <Icon name="send" />
          Send
        </button>
      </form>
      <Hint size={size} limit={limit} />
    </div>
  );
}
