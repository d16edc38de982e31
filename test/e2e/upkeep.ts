/** Read again, take along, destroy with a backup: what `airy reprocess`, `backup`, `restore` and `destroy` do together. */
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpClient } from "../../cli/io/http.ts";
import type { EngineName, StatusData } from "../../cli/events.ts";
import { airy, type Ended } from "../support/airy.ts";
import { openLeakScope, type LeakScope } from "../support/leaks.ts";
import { rememberPorts } from "../support/ports.ts";

const minutes = 60_000;

/** @param engine what makes the first backup; `other` is what reads it. */
export function upkeep(engine: EngineName, other: EngineName): void {
  let scope: LeakScope;
  let status: StatusData;
  let saved: string;

  beforeAll(async () => {
    scope = await openLeakScope(`upkeep-${engine}`);
    await rememberPorts(scope.workspace);
  }, minutes);
  afterAll(async () => {
    await airy(scope, ["destroy", "--yes", "--no-backup"]);
    expect(await scope.settled()).toEqual([]);
    await scope.close();
  }, 2 * minutes);

  async function succeed(...args: string[]): Promise<unknown> {
    const run = await airy(scope, args);
    expect(run, `${args.join(" ")}: ${run.stderr}${run.stdout}`).toMatchObject({ code: 0, envelope: { status: "ok" } });
    return run.envelope.data;
  }
  async function up(on: EngineName): Promise<void> {
    status = (await succeed("up", "--sandbox", "--yes", "--engine", on)) as StatusData;
  }
  async function ask(what: string, body: object): Promise<{ data: { id: string; content: { message?: { text?: string } } }[] }> {
    const url = `${status.platform.url}/${what}`;
    const request = { method: "POST", url, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    return JSON.parse((await createHttpClient()(request)).body.toString()) as Awaited<ReturnType<typeof ask>>;
  }
  async function texts(): Promise<(string | undefined)[]> {
    const conversations = (await ask("conversations.list", {})).data;
    const lists = await Promise.all(conversations.map(({ id }) => ask("messages.list", { conversation_id: id })));
    // The newest conversation and the newest message come first.
    return lists.flatMap(({ data }) => data.map(({ content }) => content.message?.text)).reverse();
  }
  const failed = (run: Ended, code: string): unknown =>
    expect(run, `${run.stderr}${run.stdout}`).toMatchObject({ code: 3, envelope: { status: "error", error: { code } } });

  test(
    "what was lost of the conversations is made anew of the deliveries; a backup has everything",
    async () => {
      await up(engine);
      for (const text of ["one", "two"]) await succeed("trigger", "message", "--text", text);
      await expect.poll(texts, { timeout: minutes }).toEqual(["one", "two"]);
      expect(await succeed("reprocess")).toMatchObject({ deliveries: 2, created: 0, changed: 0, done: true });
      const { file } = (await succeed("backup", "--file", "kept.airy")) as { file: string };
      saved = file;
      expect(path.dirname(file)).toBe(scope.workspace);
      const again = await airy(scope, ["backup", "--file", "kept.airy"]);
      expect(again.envelope.error).toMatchObject({ code: "BACKUP_FILE" });
      expect((await airy(scope, ["restore", saved])).envelope.error).toMatchObject({ code: "PLATFORM_REFUSED" });
    },
    5 * minutes,
  );

  test(
    "destroy keeps a backup; the other engine takes it, and goes on",
    async () => {
      const { backup } = (await succeed("destroy", "--yes")) as { backup: { file: string; bytes: number } };
      expect(path.dirname(backup.file)).toBe(path.join(scope.workspace, ".airy", "backups"));
      expect((await readFile(backup.file)).length).toBe(backup.bytes);
      expect(await succeed("destroy", "--yes")).toMatchObject({ destroyed: false });

      await up(other);
      expect(await texts()).toEqual([]);
      await succeed("restore", backup.file);
      expect(await texts()).toEqual(["one", "two"]);
      await succeed("trigger", "message", "--text", "three");
      await expect.poll(texts, { timeout: minutes }).toEqual(["one", "two", "three"]);
    },
    5 * minutes,
  );

  test(
    "after down, destroy keeps a backup where the database starts alone, and deletes nothing where it does not",
    async () => {
      await succeed("down");
      if (other === "docker") return failed(await airy(scope, ["destroy", "--yes"]), "NOT_BACKED_UP");
      const { backup } = (await succeed("destroy", "--yes")) as { backup: { file: string } };
      await up(other);
      await succeed("restore", backup.file);
      expect(await texts()).toEqual(["one", "two", "three"]);
      expect(await succeed("destroy", "--yes", "--no-backup")).toMatchObject({ destroyed: true, backup: null });
      expect(await readdir(path.dirname(backup.file))).toHaveLength(2);
    },
    5 * minutes,
  );
}
