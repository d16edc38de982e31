import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { appendBounded, readText, tailLines, writeAtomic } from "../../../cli/io/files.ts";

let dir: string;
let file: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "airy-files-"));
  file = path.join(dir, "file");
});
afterEach(() => rm(dir, { recursive: true }));

test("a file is replaced whole, privately, and without a trace", async () => {
  await writeFile(file, "old", { mode: 0o644 });
  await writeAtomic(file, "new");
  expect(await readText(file)).toBe("new");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await expect(writeAtomic(path.join(dir, "missing/file"), "x")).rejects.toMatchObject({ code: "ENOENT" });
  expect(await readdir(dir)).toEqual(["file"]);
  expect(await readText(path.join(dir, "nothing"))).toBeNull();
  expect(await readText(path.join(file, "below a file"))).toBeNull();
});

test("a bounded file keeps what is new and one older part", async () => {
  for (let i = 0; i < 30; i++) appendBounded(file, `line ${i}\n`, 50);
  expect(await readdir(dir)).toEqual(["file", "file.1"]);
  expect((await stat(file)).size).toBeLessThan(70);
  expect(`${await readFile(`${file}.1`, "utf8")}${await readFile(file, "utf8")}`).toMatch(/line 28\nline 29\n$/);
});

test("the last lines come in order, from small files and large ones", async () => {
  expect(await tailLines(file, 5)).toEqual([]);
  await writeFile(file, "a\nb\nc");
  expect(await tailLines(file, 2)).toEqual(["b", "c"]);
  expect(await tailLines(file, 0)).toEqual([]);
  expect(await tailLines(file, 5, 2)).toEqual(["b", "c"]);
  expect(await tailLines(file, 5, 1000)).toEqual(["a", "b", "c"]);
  await writeFile(file, Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join(""));
  expect(await tailLines(file, 2)).toEqual(["line 99998", "line 99999"]);
});
