/** Where airy keeps what belongs to the user and to no workspace, by the XDG base directory specification; honoured on macOS too. */
import { accessSync, constants, existsSync, lstatSync, mkdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";

type Env = Readonly<Record<string, string | undefined>>;

/**
 * `$XDG_STATE_HOME/airy`, by default `~/.local/state/airy`; for a user without a home that can be written to (`HOME=/` of a container's
 * random uid, a read-only home) a closed folder in /var/tmp, which outlives a restart.
 */
export function stateHome(env: Env): string {
  const asked = absolute(env.XDG_STATE_HOME);
  if (asked !== null) return path.join(asked, "airy");
  const usual = path.join(home(env), ".local/state/airy");
  return writable(usual) ? usual : (ownFolder(`/var/tmp/airy-${process.getuid?.()}`) ?? usual);
}

function writable(dir: string): boolean {
  if (!existsSync(dir) && dir !== path.dirname(dir)) return writable(path.dirname(dir));
  try {
    accessSync(dir, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Everybody can make folders there: one counts that nobody else made, or can write to. */
function ownFolder(dir: string): string | null {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch {
    // It is there already, or cannot be made.
  }
  const stats = lstatSync(dir, { throwIfNoEntry: false });
  return stats?.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o077) === 0 ? dir : null;
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
