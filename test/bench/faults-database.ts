/** The real platform's surroundings: a Postgres that can be killed, a Graph API that says yes, and what has arrived in the database. */
import { Client } from "pg";
import { startGraphServer } from "../compose/basic/graph-server.ts";
import { startPostgres } from "../support/postgres.ts";
import type { PlatformArguments } from "./faults-platform.ts";
import type { Arrival } from "./faults-stage.ts";

export interface PlatformPart {
  /** For the platform's own process. */
  argument: string;
  /** Resolves when the platform is healthy. */
  ready(): Promise<void>;
  /** Connects the page, so that its deliveries become messages. */
  connect(): Promise<void>;
  killDatabase(): Promise<void>;
  startDatabase(): Promise<void>;
  /** Messages in the order in which they were stored. */
  arrivals(): Promise<Arrival[]>;
  close(): Promise<void>;
}

export async function openPlatform(app: PlatformArguments["app"], page: string, port: number): Promise<PlatformPart> {
  const postgres = await startPostgres();
  const graph = await startGraphServer(app.appId);
  const databaseUrl = await postgres.createDatabase();
  const url = `http://127.0.0.1:${port}`;
  return {
    argument: JSON.stringify({ databaseUrl, port, graphUrl: graph.url, app } satisfies PlatformArguments),
    async ready() {
      for (const end = Date.now() + 30_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
        const answer = await fetch(`${url}/health`).catch(() => null);
        await answer?.arrayBuffer();
        if (answer?.ok) return;
      }
      throw new Error("the platform did not become healthy");
    },
    async connect() {
      const answer = await fetch(`${url}/channels.facebook.connect`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ page_id: page, page_token: "bench-token", name: "Bench Page" }),
      });
      if (!answer.ok) throw new Error(`the page could not be connected: ${answer.status} ${await answer.text()}`);
    },
    killDatabase: () => postgres.kill9(),
    startDatabase: () => postgres.start(),
    async arrivals() {
      const client = new Client({ connectionString: databaseUrl });
      client.on("error", () => {});
      await client.connect();
      try {
        const { rows } = await client.query<{ id: string }>("select source_message_id as id from message order by seq");
        return rows.map(({ id }) => ({ n: Number(id.slice(2)), id }));
      } finally {
        await client.end();
      }
    },
    async close() {
      await graph.close();
      await postgres.close();
    },
  };
}
