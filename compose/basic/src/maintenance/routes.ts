/** What the command line asks of a running platform: `airy reprocess`, `airy backup`, `airy restore`. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type { Database } from "../database/connect.ts";
import { describeError } from "../database/errors.ts";
import type { Vault } from "../database/vault.ts";
import { createVault } from "../database/vault.ts";
import { json, message } from "../http/reply.ts";
import type { App } from "../http/server.ts";
import { write } from "../http/server.ts";
import { RestoreRefused, backupLines, restoreLines } from "./backup.ts";
import type { Reprocessing } from "./reprocess.ts";
import { reprocess } from "./reprocess.ts";

interface Dependencies extends Reprocessing {
  database: Database;
  vault: Vault;
  signal: AbortSignal;
}

const hidden = { hide: true };

export function maintenanceRoutes(app: App, dependencies: Dependencies): void {
  const { database, vault, log, signal } = dependencies;
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // Bodies are read as streams by the handlers.
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));

    /** Lines of progress; the last one has `done`. */
    scope.post("/admin.reprocess", { schema: hidden }, (_request, reply) => {
      async function* lines(): AsyncGenerator<string> {
        try {
          const run = reprocess(dependencies, true, signal);
          for (;;) {
            const step = await run.next();
            yield `${JSON.stringify({ ...step.value, done: step.done === true })}\n`;
            if (step.done) return;
          }
        } catch (error) {
          log(`reprocess: ${describeError(error)}`);
          yield `${JSON.stringify({ error: describeError(error) })}\n`;
        }
      }
      return reply.header("content-type", "application/x-ndjson").send(Readable.from(lines()));
    });

    scope.post("/admin.backup", { schema: hidden }, (_request, reply) => {
      const zipped = createGzip({ level: 3 });
      // A failure cuts the file off, which its missing last line shows.
      pipeline(Readable.from(backupLines(database)), zipped).catch((error: unknown) => log(`backup: ${describeError(error)}`));
      return reply.header("content-type", "application/gzip").send(zipped);
    });

    scope.post("/admin.restore", { schema: hidden }, async (request, reply) => {
      const secret = request.headers["airy-backup-secret"];
      const from = typeof secret === "string" ? createVault(secret) : vault;
      const unzipped = createGunzip();
      pipeline(request.raw, unzipped).catch(() => {});
      // A cut-off file fails while nobody reads yet, if the database lets us wait; whoever reads later is told it then.
      unzipped.on("error", () => {});
      try {
        const lines = await restoreLines(database, unzipped, vault, from);
        dependencies.onConversations();
        return write(reply, json(200, { lines }));
      } catch (error) {
        unzipped.destroy();
        request.raw.resume();
        if (error instanceof RestoreRefused) return write(reply, message(409, error.message));
        if (error instanceof Error && "code" in error && String(error.code).startsWith("Z_")) {
          return write(reply, message(409, "the file is damaged or cut off"));
        }
        throw error;
      }
    });
  });
}
