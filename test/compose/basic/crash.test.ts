/**
 * The service, or Postgres, dies with SIGKILL while 500 messages a second come in and replies go out: nothing that was acknowledged is
 * lost, in neither direction, and nobody gets a reply twice. `AIRY_TEST_CRASH_SECONDS` makes it longer.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { metaJson, signatureHeaders } from "../../../compose/facebook/contract.ts";
import { airyId } from "../../../compose/basic/src/ids.ts";
import { freeBlock } from "../../support/ports.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import { app, delivery, pageId, textEvent } from "./fixture.ts";
import type { GraphServer } from "./graph-server.ts";
import { startGraphServer } from "./graph-server.ts";

const seconds = Number(process.env.AIRY_TEST_CRASH_SECONDS ?? 5);
const PER_DELIVERY = 5;
const EVERY_MS = 10;
const channel = airyId("facebook", pageId);

let postgres: TestPostgres;
let graph: GraphServer;
let databaseUrl: string;
let port: number;
let service: ChildProcess;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

beforeAll(async () => {
  [postgres, graph, port] = await Promise.all([startPostgres(), startGraphServer(app.appId), freeBlock()]);
  databaseUrl = await postgres.createDatabase();
  await sql(
    "insert into channel (id, source, source_channel_id, connected, metadata, token) values ($1, 'facebook', $2, true, '{}', 'T')",
    [channel, pageId],
  );
  await startService();
});
afterAll(async () => {
  service.kill("SIGKILL");
  agent.destroy();
  await graph.close();
  await postgres.close();
});

async function sql<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: databaseUrl });
  client.on("error", () => {});
  await client.connect();
  return (await client.query(text, values).finally(() => client.end())).rows as Row[];
}

async function startService(): Promise<void> {
  const bench = { databaseUrl, port, facebook: { ...app, graphUrl: graph.url } };
  const script = path.resolve(import.meta.dirname, "../../bench/platform-service.ts");
  service = spawn(process.execPath, ["--import", "tsx", script], {
    env: { ...process.env, BENCH: JSON.stringify(bench) },
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(service.stdout!, "data");
}

/** null: nobody said anything, or said that it was not taken. */
function post(target: string, body: Buffer): Promise<string | null> {
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json", "content-length": body.length, ...signatureHeaders(app.appSecret, body) };
    const request = http.request({ host: "127.0.0.1", port, method: "POST", path: target, agent, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("close", () => resolve(answer.complete && answer.statusCode === 200 ? Buffer.concat(chunks).toString() : null));
      answer.on("error", () => {});
    });
    request.on("error", () => resolve(null));
    request.end(body);
  });
}

test("what was acknowledged outlives SIGKILL of the service and of Postgres", { timeout: (seconds * 10 + 120) * 1_000 }, async () => {
  const acknowledged = new Set<string>();
  const promised = new Set<string>();
  const open = new Set<Promise<unknown>>();
  const track = (work: Promise<unknown>) => void open.add(work.finally(() => open.delete(work)));
  let made = 0;
  let crashes = 0;
  const end = Date.now() + seconds * 1_000;

  async function comeIn(): Promise<void> {
    for (let next = Date.now(); Date.now() < end; next += EVERY_MS) {
      if (next > Date.now()) await sleep(next - Date.now());
      const events = Array.from({ length: PER_DELIVERY }, () =>
        textEvent(`m_${(made += 1)}`, `text ${made}`, { from: `9${made % 40}`, at: Date.now() }),
      );
      const body = metaJson(delivery(events));
      track(post("/facebook", body).then((answer) => answer !== null && events.forEach(({ message }) => acknowledged.add(message.mid))));
    }
  }
  async function goOut(): Promise<void> {
    for (let n = 0; Date.now() < end; n += 1) {
      await sleep(40);
      const body = Buffer.from(JSON.stringify({ conversation_id: airyId(channel, `9${n % 40}`), message: { text: `reply ${n}` } }));
      track(post("/messages.send", body).then((answer) => answer !== null && promised.add((JSON.parse(answer) as { id: string }).id)));
    }
  }
  async function crash(): Promise<void> {
    while (Date.now() < end) {
      await sleep(500 + Math.random() * 1_000);
      crashes += 1;
      if (crashes % 2 === 1) {
        service.kill("SIGKILL");
        await startService();
      } else {
        await postgres.kill9();
        await postgres.start();
      }
    }
  }
  await Promise.all([comeIn(), goOut(), crash()]);
  await Promise.all(open);
  expect([crashes > 1, acknowledged.size > 0, promised.size > 0]).toEqual([true, true, true]);

  const kept = await sql<{ mid: string; n: number }>(
    "select source_message_id as mid, count(*)::int as n from message where from_contact group by 1",
  );
  const found = new Map(kept.map(({ mid, n }) => [mid, n]));
  expect([...acknowledged].filter((mid) => found.get(mid) !== 1)).toEqual([]);
  const [unread] = await sql<{ unread: number; messages: number }>(
    "select (select sum(unread_count)::int from conversation) as unread, (select count(*)::int from message where from_contact) as messages",
  );
  expect(unread!.unread).toBe(unread!.messages);

  const waiting = "select id from message where delivery_state = 'pending' union all select id from early_message where not failed";
  await expect.poll(() => sql(waiting), { timeout: 100_000, interval: 200 }).toEqual([]);
  const replies = await sql<{ id: string; text: string; state: string; error: string | null }>(
    "select id, content ->> 'text' as text, delivery_state as state, metadata ->> 'error' as error from message where not from_contact",
  );
  const early = await sql<{ id: string }>("select id from early_message");
  const known = new Set([...replies, ...early].map(({ id }) => id));
  expect([...promised].filter((id) => !known.has(id))).toEqual([]);
  const calls = graph.calls
    .filter(({ path: called }) => called.endsWith("/me/messages"))
    .map(({ body }) => (body as { message: { text: string } }).message.text);
  // Facebook was asked once for each, whatever became of it; what failed says why.
  expect(calls.length).toBe(new Set(calls).size);
  expect(replies.filter(({ state, text }) => state === "delivered" && !calls.includes(text))).toEqual([]);
  expect(replies.filter(({ state, error }) => state === "failed" && !error)).toEqual([]);
  console.log(
    `${crashes} crashes, ${acknowledged.size} of ${made} messages and ${promised.size} replies acknowledged, ${calls.length} sent; none lost`,
  );
});
