/** Host keys of edges, pinned on first contact in a file of OpenSSH's known_hosts form: `[host]:port ssh-ed25519 AAAA...`. */
import { appendFile, mkdir, readFile } from "node:fs/promises";
import path from "node:path";

/** The pinned key (`ssh-ed25519 AAAA...`) of an edge, or null when there is none yet. */
export async function pinnedKey(file: string, edge: { host: string; port: number }): Promise<string | null> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  for (const line of text.split("\n")) {
    const [name, type, key] = line.trim().split(/\s+/);
    if (name === nameOf(edge) && type && key) return `${type} ${key}`;
  }
  return null;
}

export async function pinKey(file: string, edge: { host: string; port: number }, key: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const text = await readFile(file, "utf8").catch(() => "");
  // Somebody may have edited the file and left its last line open.
  const gap = text === "" || text.endsWith("\n") ? "" : "\n";
  await appendFile(file, `${gap}${nameOf(edge)} ${key}\n`, { mode: 0o600 });
}

function nameOf({ host, port }: { host: string; port: number }): string {
  // Host names are the same in any case.
  return `[${host.toLowerCase()}]:${port}`;
}
