/** Opens an address in the user's browser, where there is one. */
import type { Io } from "./io.ts";
import { run } from "./spawn.ts";

/** Long enough for a browser that starts; the openers themselves return at once. */
const TIMEOUT_MS = 5_000;

/** False where nobody sits in front of this process (no terminal, no desktop), and where nothing can open it. */
export async function openInBrowser(url: string, { tty, os, env }: Pick<Io, "tty" | "os" | "env">): Promise<boolean> {
  if (!tty.stdout || env.CI || env.SSH_CONNECTION) return false;
  if (os === "darwin") return opens("open", url);
  if (env.WSL_DISTRO_NAME && (await opens("wslview", url))) return true;
  if (!env.DISPLAY && !env.WAYLAND_DISPLAY) return false;
  return opens("xdg-open", url);
}

async function opens(program: string, url: string): Promise<boolean> {
  const { exitCode } = await run(program, [url], { timeoutMs: TIMEOUT_MS });
  return exitCode === 0;
}
