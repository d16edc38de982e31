/** Keys for who works here all day. */
import { useEffect, useRef, useState } from "react";
import { Dialog } from "./dialog.tsx";
import { remember, remembered } from "../remember.ts";

interface Targets {
  next: () => void;
  previous: () => void;
  close: () => void;
  panel: () => void;
  back: () => void;
  help: () => void;
}

const keys: [keys: string, does: string][] = [
  ["J, K", "next and previous conversation"],
  ["R", "write a reply"],
  ["E", "close the conversation, or open it again"],
  ["I", "contact and tags"],
  ["/", "search"],
  ["Esc", "back to the list"],
  ["?", "these keys"],
];

export function useShortcuts(targets: Targets): void {
  const latest = useRef(targets);
  latest.current = targets;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (remembered("keys") === "off" && event.key !== "Escape") return;
      const act = actionOf(event.key, latest.current);
      if (act === null) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function actionOf(key: string, targets: Targets): (() => void) | null {
  switch (key.toLowerCase()) {
    case "j":
      return targets.next;
    case "k":
      return targets.previous;
    case "e":
      return targets.close;
    case "i":
      return targets.panel;
    case "r":
      return () => focusOn("textarea.words");
    case "/":
      return () => focusOn("input.search");
    case "escape":
      return targets.back;
    case "?":
      return targets.help;
    default:
      return null;
  }
}

function focusOn(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus();
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.closest("input, textarea, select, dialog") !== null || target.isContentEditable);
}

export function ShortcutHelp({ onClose }: { onClose: () => void }) {
  const [on, setOn] = useState(() => remembered("keys") !== "off");
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className="keys">
        {keys.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label className="check">
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => {
            setOn(event.target.checked);
            remember("keys", event.target.checked ? null : "off");
          }}
        />
        Single keys work outside of text fields
      </label>
    </Dialog>
  );
}
