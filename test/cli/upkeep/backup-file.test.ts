import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readBackup, writeBackup } from "../../../cli/upkeep/backup-file.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "airy-backup-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const lines = gzipSync('{"airy":"backup","schema":4}\n{"end":true,"lines":2}\n');
const open = (body: Buffer) => async () => Readable.from([body]);

test("a backup appears whole and private, with its secret, and overwrites nothing", async () => {
  const file = path.join(dir, "b.airy");
  expect(await writeBackup("s3cret", open(lines), file)).toBe(statSync(file).size);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const { secret, body } = await readBackup(file);
  expect(secret).toBe("s3cret");
  expect(Buffer.concat(await body().toArray())).toEqual(lines);
  await expect(writeBackup("s3cret", open(lines), file)).rejects.toMatchObject({ code: "BACKUP_FILE" });
  expect(readdirSync(dir)).toEqual(["b.airy"]);
});

test.each([
  ["cut off", lines.subarray(0, lines.length - 9)],
  ["without an end", gzipSync('{"airy":"backup","schema":4}\n')],
  ["empty", Buffer.alloc(0)],
])("what the platform sent %s leaves no file", async (_name, body) => {
  await expect(writeBackup("s3cret", open(body), path.join(dir, "b.airy"))).rejects.toMatchObject({ code: "PLATFORM_REFUSED" });
  expect(readdirSync(dir)).toEqual([]);
});

test("other files are no backups", async () => {
  const file = path.join(dir, "x");
  writeFileSync(file, readFileSync(import.meta.filename));
  for (const one of [file, path.join(dir, "none"), dir]) await expect(readBackup(one)).rejects.toMatchObject({ code: "BACKUP_FILE" });
});
