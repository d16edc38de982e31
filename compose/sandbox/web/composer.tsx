import { LikeIcon, PictureIcon, StickerIcon } from "./icons.tsx";
import { type FormEvent, type KeyboardEvent, useRef, useState } from "react";

interface Props {
  onText: (text: string) => Promise<boolean>;
  onFile: (file: File) => void;
  onSticker: () => void;
  onLike: () => void;
}

export function Composer({ onText, onFile, onSticker, onLike }: Props) {
  const [text, setText] = useState("");
  const file = useRef<HTMLInputElement>(null);
  const send = () => {
    const said = text.trim();
    if (said === "") return;
    setText("");
    // What was refused was not said: it comes back, unless something new was begun.
    void onText(said).then((sent) => !sent && setText((now) => (now === "" ? said : now)));
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  return (
    <form className="composer" onSubmit={submit}>
      <input
        ref={file}
        type="file"
        hidden
        aria-label="Choose a picture or file"
        onChange={(event) => {
          const [chosen] = event.target.files ?? [];
          if (chosen) onFile(chosen);
          event.target.value = "";
        }}
      />
      <button type="button" className="plain square" aria-label="Send a picture or file" onClick={() => file.current?.click()}>
        <PictureIcon />
      </button>
      <button type="button" className="plain square" aria-label="Send a sticker" onClick={onSticker}>
        <StickerIcon />
      </button>
      <textarea
        rows={1}
        value={text}
        placeholder="Write as the customer"
        aria-label="Message"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKey}
      />
      {text.trim() === "" ? (
        <button type="button" className="plain square" aria-label="Send a thumbs up" onClick={onLike}>
          <LikeIcon />
        </button>
      ) : (
        <button type="submit" className="primary">
          Send
        </button>
      )}
    </form>
  );
}
