/** Host keys of edges, pinned on first contact in a file of OpenSSH's known_hosts form: `[host]:port ssh-ed25519 AAAA...`. */
import { closeSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { openAppend, readText } from "../io/files.ts";

/** The pinned key (`ssh-ed25519 AAAA...`) of an edge, or null when there is none yet. */
export async function pinnedKey(file: string, edge: { host: string; port: number }): Promise<string | null> {
  const text = (await readText(file)) ?? "";
  for (const line of text.split("\n")) {
    const [name, type, key] = line.trim().split(/\s+/);
    if (name === nameOf(edge) && type && key) return `${type} ${key}`;
  }
  return null;
}

export async function pinKey(file: string, edge: { host: string; port: number }, key: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const text = (await readText(file)) ?? "";
  // Somebody may have edited the file and left its last line open.
  const gap = text === "" || text.endsWith("\n") ? "" : "\n";
  const fd = openAppend(file);
  try {
    writeSync(fd, `${gap}${nameOf(edge)} ${key}\n`);
  } finally {
    closeSync(fd);
  }
}

function nameOf({ host, port }: { host: string; port: number }): string {
  // Host names are the same in any case.
  return `[${host.toLowerCase()}]:${port}`;
}
