/** Uploaded attachments: bytes in the data folder (or in memory), served under addresses that cannot be guessed. */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { StoredFile } from "./model.ts";
import type { Upload } from "./request.ts";
import type { Store } from "./store.ts";

/** The limit of the Messenger Platform for one attachment. */
export const MOST_FILE_BYTES = 25 * 1024 * 1024;

/** Of all together; the oldest goes first. */
const MOST_BYTES = 250 * 1024 * 1024;
const MOST_FILES = 2_000;

/** What a browser may show by itself; everything else is downloaded. */
const shown = /^(image\/(png|jpeg|gif|webp|svg\+xml)|audio\/[\w.+-]+|video\/[\w.+-]+|application\/pdf)$/;

export class Files {
  readonly #dir: string | null;
  readonly #store: Store;
  readonly #inMemory = new Map<string, Buffer>();

  constructor(dataDir: string | null, store: Store) {
    this.#dir = dataDir === null ? null : path.join(dataDir, "files");
    this.#store = store;
    if (this.#dir) mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
  }

  async add({ name, type, bytes }: Upload): Promise<StoredFile> {
    const id = randomBytes(16).toString("hex");
    const plain = path
      .basename(name)
      .replaceAll(/[^\w.-]+/g, "_")
      .slice(-80);
    const file: StoredFile = {
      id,
      type: shown.test(type) ? type : "application/octet-stream",
      name: plain || "file",
      size: bytes.length,
      at: this.#store.clock.now(),
    };
    if (this.#dir) await writeFile(path.join(this.#dir, id), bytes, { mode: 0o600 });
    else this.#inMemory.set(id, bytes);
    this.#store.files.set(id, file);
    await this.#makeRoom();
    this.#store.changed();
    return file;
  }

  async read(id: string): Promise<{ file: StoredFile; bytes: Buffer } | null> {
    const file = this.#store.files.get(id);
    if (!file) return null;
    const bytes = this.#dir ? await readFile(path.join(this.#dir, id)).catch(() => null) : (this.#inMemory.get(id) ?? null);
    return bytes && { file, bytes };
  }

  async #makeRoom(): Promise<void> {
    const { files } = this.#store;
    let total = [...files.values()].reduce((sum, { size }) => sum + size, 0);
    for (const oldest of files.values()) {
      if (total <= MOST_BYTES && files.size <= MOST_FILES) return;
      total -= oldest.size;
      files.delete(oldest.id);
      this.#inMemory.delete(oldest.id);
      if (this.#dir) await rm(path.join(this.#dir, oldest.id), { force: true });
    }
  }
}
