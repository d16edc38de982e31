/** Where airy keeps what belongs to the user and to no workspace, by the XDG base directory specification; honoured on macOS too. */
import os from "node:os";
import path from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

/** `$XDG_STATE_HOME/airy`, by default `~/.local/state/airy`. */
export function stateHome(env: Env): string {
  return path.join(absolute(env.XDG_STATE_HOME) ?? path.join(home(env), ".local/state"), "airy");
}

/** `$XDG_CONFIG_HOME/airy`, by default `~/.config/airy`. */
export function configHome(env: Env): string {
  return path.join(absolute(env.XDG_CONFIG_HOME) ?? path.join(home(env), ".config"), "airy");
}

/** An empty or relative HOME would lead into whatever the current folder is. */
function home(env: Env): string {
  return absolute(env.HOME) ?? os.userInfo().homedir;
}

function absolute(dir: string | undefined): string | null {
  return dir !== undefined && path.isAbsolute(dir) ? dir : null;
}
