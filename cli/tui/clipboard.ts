/** The clipboard of the terminal, also of one at the other end of ssh: OSC 52, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html. */

/** Terminals that are known to leave it aside without a word. */
const deaf = /^(Apple_Terminal|vscode-legacy)$/;

export interface Copied {
  sequence: string;
  /** What to tell the user: no terminal says whether it did. */
  text: string;
  likely: boolean;
}

/** tmux takes it only where it is told to (`set-clipboard on`), and GNU screen only wrapped. */
export function copySequence(text: string, env: Readonly<Record<string, string | undefined>>): Copied {
  const osc = `\u001B]52;c;${Buffer.from(text).toString("base64")}\u0007`;
  if (deaf.test(env["TERM_PROGRAM"] ?? "") || env["TERM"] === "linux") {
    return { sequence: "", text: `This terminal takes no clipboard from programs. Mark and copy it: ${text}`, likely: false };
  }
  if (env["TMUX"])
    return { sequence: osc, text: `Sent to the clipboard, if tmux lets it through (set-clipboard on): ${text}`, likely: true };
  if (env["STY"]) return { sequence: `\u001BP${osc}\u001B\\`, text: `Sent to the clipboard: ${text}`, likely: true };
  return { sequence: osc, text: `Sent to the clipboard, if this terminal allows it: ${text}`, likely: true };
}
