/**
 * Keys as they were pressed. Ink hands over what arrives together as one input, so that of two keys typed at once both would be lost; and
 * a pasted text would be a row of commands.
 */
import { type Key, useInput } from "ink";
import { useRef } from "react";

/** With which terminals mark what is pasted (`painter.ts` asks them to), as Ink hands them over: without their escape character. */
const [pasteBegins, pasteEnds] = ["[200~", "[201~"];
/** More at once is nobody's typing, in a terminal without such marks. */
const mostKeys = 32;

const none: Key = {
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
  pageDown: false,
  pageUp: false,
  home: false,
  end: false,
  return: false,
  escape: false,
  ctrl: false,
  shift: false,
  tab: false,
  backspace: false,
  delete: false,
  meta: false,
  super: false,
  hyper: false,
  capsLock: false,
  numLock: false,
};

/** Ctrl-C typed twice at once arrives as one chunk that Ink does not take apart. */
export function isInterrupt(input: string, key: Pick<Key, "ctrl">): boolean {
  return (key.ctrl && input === "c") || input.includes("\u0003");
}

/** @param onPaste what was pasted, or arrived like it, in parts. */
export function useKeys(onKey: (input: string, key: Key) => void, onPaste: (text: string) => void = () => {}): void {
  const pasting = useRef(false);
  useInput((input, key) => {
    if (input === pasteBegins || input === pasteEnds) {
      pasting.current = input === pasteBegins;
      return;
    }
    const keys = pasting.current ? null : keysIn(input, key);
    if (keys === null) return onPaste(input);
    for (const [one, its] of keys) onKey(one, its);
  });
}

/** The keys of one input of Ink's, each as it would have come alone; null: it was not typed. */
export function keysIn(input: string, key: Key): [input: string, key: Key][] | null {
  // Escape and another key at once, which is how terminals say Alt as well.
  if (key.meta && !key.escape && input !== "") return [["", { ...none, escape: true }], ...(keysIn(input, { ...key, meta: false }) ?? [])];
  if (input.length <= 1 || key.ctrl) return [[input, key]];
  // A key that Ink has no name for: ECMA-48, 5.4; the escape character is gone already.
  if (/^[[O][0-?]*[ -/]*[@-~]$/.test(input)) return [];
  const typed = [...input];
  return typed.length > mostKeys ? null : typed.map(keyOf);
}

function keyOf(character: string): [string, Key] {
  if (character === "\r" || character === "\n") return ["", { ...none, return: true }];
  if (character === "\t") return ["", { ...none, tab: true }];
  if (character === "\u007F" || character === "\b") return ["", { ...none, backspace: true }];
  const code = character.charCodeAt(0);
  if (code < 32) return [String.fromCharCode(code + 96), { ...none, ctrl: true }];
  return [character, { ...none, shift: /[A-Z]/.test(character) }];
}
