import { type KeyboardEvent, useRef, useState } from "react";

/** Enter sends, Shift+Enter begins a new line; Enter that picks a candidate of an input method does neither. */
export function ReplyBox({ name, onSend }: { name: string; onSend: (text: string) => void }) {
  const [text, setText] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  const send = () => {
    if (text.trim() === "") return;
    onSend(text.trim());
    setText("");
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      className="reply"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        value={text}
        rows={Math.min(6, text.split("\n").length)}
        aria-label={`Reply to ${name}`}
        placeholder="Write a reply"
        aria-describedby="reply-keys"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <button type="submit" disabled={text.trim() === ""}>
        Send
      </button>
      <p id="reply-keys" className="keys">
        Enter sends, Shift+Enter begins a new line
      </p>
    </form>
  );
}
