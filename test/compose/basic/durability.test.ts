import net from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startPlatform } from "../../../compose/basic/src/index.ts";
import { airyId } from "../../../compose/basic/src/ids.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startPostgres } from "../../support/postgres.ts";
import type { TestPlatform } from "./fixture.ts";
import { delivery, eventually, pageId, startTestPlatform, textEvent } from "./fixture.ts";

let postgres: TestPostgres;
let platform: TestPlatform;

beforeEach(async () => {
  postgres = await startPostgres();
  platform = await startTestPlatform(await postgres.createDatabase());
  await platform.connect();
});
afterEach(async () => {
  await platform.close();
  await postgres.close();
});

const conversationId = airyId(airyId("facebook", pageId), "2002");

const healthy = () => eventually(async () => expect((await platform.request("GET", "/health")).status).toBe(200));

test("kill -9 of Postgres under load loses nothing that was acknowledged", async () => {
  const acknowledged: string[] = [];
  const statuses = new Set<number>();
  const stop = new AbortController();
  let next = 0;
  const sender = async () => {
    while (!stop.signal.aborted) {
      const mid = `m_${(next += 1)}`;
      const answer = await platform.deliver(delivery([textEvent(mid, mid)]));
      statuses.add(answer.status);
      if (answer.status === 200) acknowledged.push(mid);
    }
  };
  const senders = Array.from({ length: 16 }, sender);
  for (let round = 1; round <= 3; round += 1) {
    const before = acknowledged.length;
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(before + 150));
    await postgres.kill9();
    await eventually(() => expect(statuses).toContain(503));
    await postgres.start();
    await healthy();
  }
  stop.abort();
  await Promise.all(senders);
  expect([...statuses].sort()).toEqual([200, 503]);
  const kept = new Set(await platform.texts(conversationId));
  const [row] = await platform.sql<{ mids: string[] }>("select array_agg(source_message_id) as mids from message");
  expect(acknowledged.length).toBeGreaterThan(450);
  expect(kept.size).toBeGreaterThan(0);
  expect(acknowledged.filter((mid) => !row!.mids.includes(mid))).toEqual([]);
  const [counted] = await platform.sql(
    "select (select count(*)::int from message) = (select unread_count from conversation) as unread, (select count(*)::int from delivery) >= (select count(*)::int from message) as raw",
  );
  expect(counted).toEqual({ unread: true, raw: true });
});

test("while Postgres is away everything says 503, and afterwards all is as before", async () => {
  await platform.deliver(delivery([textEvent("m_1", "before")]));
  await postgres.stop();
  const answers = await Promise.all([
    platform.deliver(delivery([textEvent("m_2", "meanwhile")])),
    platform.request("GET", "/health"),
    platform.call("/conversations.list", {}),
    platform.call("/messages.send", { conversation_id: conversationId, message: { text: "x" } }),
    platform.call("/conversations.mark-read", { conversation_id: conversationId }),
  ]);
  expect(answers.map((answer) => answer.status)).toEqual([503, 503, 503, 503, 503]);
  expect(answers[1]!.json.status).not.toBe("ok");
  expect((await platform.request("GET", "/")).status).toBe(200);
  expect((await platform.request("GET", "/facebook?hub.challenge=1&hub.verify_token=verify-canary")).text).toBe("1");
  await postgres.start();
  await healthy();
  await platform.deliver(delivery([textEvent("m_2", "meanwhile", { at: 1_700_000_000_001 })]));
  expect(await platform.texts(conversationId)).toEqual(["before", "meanwhile"]);
});

test("a Postgres that hangs is answered 503 within Meta's patience, and loses nothing", async () => {
  await platform.deliver(delivery([textEvent("m_1", "before")]));
  const thaw = postgres.freeze();
  try {
    const answers = await Promise.all([platform.deliver(delivery([textEvent("m_2", "meanwhile")])), platform.request("GET", "/health")]);
    expect(answers.map((answer) => answer.status)).toEqual([503, 503]);
  } finally {
    thaw();
  }
  await healthy();
  expect((await platform.deliver(delivery([textEvent("m_2", "meanwhile")]))).status).toBe(200);
  const [row] = await platform.sql("select count(*)::int as messages, (select unread_count from conversation) as unread from message");
  expect(row).toEqual({ messages: 2, unread: 2 });
});

test("a reply whose outcome cannot be recorded at once is recorded when Postgres is back", async () => {
  await platform.deliver(delivery([textEvent("m_1", "hi")]));
  let stopped: Promise<void> | undefined;
  platform.graph.onSend = () => {
    stopped = postgres.stop();
    return { status: 200, body: { recipient_id: "2002", message_id: "m_sent" } };
  };
  await platform.call("/messages.send", { conversation_id: conversationId, message: { text: "back" } });
  await eventually(() => expect(platform.logs.join("\n")).toContain("not recorded yet"));
  await stopped;
  await postgres.start();
  await eventually(async () => {
    const rows = await platform.sql("select delivery_state, source_message_id from message where not from_contact");
    expect(rows).toEqual([{ delivery_state: "delivered", source_message_id: "m_sent" }]);
  });
});

test("a connection that breaks in the middle of a transaction does not end the process", async () => {
  await platform.sql("create function hold() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$");
  await platform.sql("create trigger hold before insert or update on channel for each row execute function hold()");
  const connecting = platform.connect("1002");
  await eventually(async () => {
    const rows = await platform.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query like 'insert into channel%' and wait_event = 'PgSleep'",
    );
    expect(rows).toHaveLength(1);
  });
  expect((await connecting).status).toBe(503);
  await platform.sql("drop trigger hold on channel");
  expect((await platform.connect("1002")).status).toBe(200);
});

test("commits are synchronous whatever the server's default is", async () => {
  await platform.sql("do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$");
  await platform.sql("create table seen (setting text)");
  await platform.sql(
    "create function note() returns trigger language plpgsql as $$ begin insert into seen values (current_setting('synchronous_commit')); return new; end $$",
  );
  await platform.sql("create trigger note after insert on delivery for each row execute function note()");
  await platform.restart();
  await platform.deliver(delivery([textEvent("m_1", "hi")]));
  expect(await platform.sql("select setting from seen")).toEqual([{ setting: "on" }]);
});

test("what the database itself refuses is kept as it came and answered 200", async () => {
  await platform.sql("alter table message add constraint odd check (content::text not like '%poison%')");
  expect((await platform.deliver(delivery([textEvent("m_1", "poison")]))).status).toBe(200);
  expect((await platform.deliver(delivery([textEvent("m_2", "fine")]))).status).toBe(200);
  expect(await platform.texts(conversationId)).toEqual(["fine"]);
  const rows = await platform.sql<{ note: string | null }>("select note from delivery order by id");
  expect(rows.map((row) => row.note)).toEqual([expect.stringContaining("refused by the database"), null]);
});

test("a waiting delivery that the database refuses does not stop the others", async () => {
  for (const [mid, text] of [
    ["o_1", "one"],
    ["o_2", "poison"],
    ["o_3", "three"],
  ] as const) {
    await platform.deliver(delivery([textEvent(mid, text, { page: "1002" })], "1002"));
  }
  await platform.sql("alter table message add constraint odd check (content::text not like '%poison%')");
  expect((await platform.connect("1002")).status).toBe(200);
  expect(await platform.texts(airyId(airyId("facebook", "1002"), "2002"))).toEqual(["one", "three"]);
  expect(await platform.sql("select 1 from waiting_delivery")).toEqual([]);
});

test("the schema is brought up once, also by several at the same time, and a newer one is refused", async () => {
  const databaseUrl = await postgres.createDatabase("empty");
  const config = {
    databaseUrl,
    listen: { host: "127.0.0.1", port: 0 },
    allowedHosts: [],
    facebook: null,
    webDir: "/nonexistent",
    log: () => {},
  };
  const several = await Promise.all([startPlatform(config), startPlatform(config), startPlatform(config)]);
  for (const one of several) await one.close();
  const other = await startTestPlatform(databaseUrl);
  const [{ versions }] = (await other.sql<{ versions: number }>("select count(*)::int as versions from schema_version")) as [
    { versions: number },
  ];
  expect(versions).toBeGreaterThan(0);
  await other.sql("insert into schema_version (version) values (9999)");
  await other.close();
  await expect(startPlatform(config)).rejects.toMatchObject({ code: "DATA_NEWER", message: expect.stringContaining("newer") });
});

test("it waits for a Postgres that starts later", async () => {
  const databaseUrl = await postgres.createDatabase();
  await postgres.stop();
  const logs: string[] = [];
  const config = { databaseUrl, listen: { host: "127.0.0.1", port: 0 }, allowedHosts: [], facebook: null, webDir: "/nonexistent" };
  const starting = startPlatform({ ...config, log: (line) => logs.push(line) });
  await eventually(() => expect(logs.join("\n")).toContain("waiting for Postgres"));
  await postgres.start();
  const running = await starting;
  await running.close();
});

test("it fails at once, in words and without the password, when Postgres refuses for good", async () => {
  const databaseUrl = `postgres://airy:pass-canary@127.0.0.1:${postgres.port}/no_such_database`;
  const config = {
    databaseUrl,
    listen: { host: "127.0.0.1", port: 0 },
    allowedHosts: [],
    facebook: null,
    webDir: "/nonexistent",
    log: () => {},
  };
  const error = await startPlatform(config).catch((reason: unknown) => reason);
  // Docker's asks for the password first.
  const reason = expect.stringMatching(/no_such_database|password authentication failed/);
  expect(error).toMatchObject({ code: "DATABASE_REFUSED", message: reason });
  expect(String(error)).not.toContain("pass-canary");
});

test("a port that is taken is Node's own error, and nothing stays open", async () => {
  const holder = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => holder.once("listening", resolve));
  const { port } = holder.address() as AddressInfo;
  const databaseUrl = await postgres.createDatabase();
  const config = {
    databaseUrl,
    listen: { host: "127.0.0.1", port },
    allowedHosts: [],
    facebook: null,
    webDir: "/nonexistent",
    log: () => {},
  };
  await expect(startPlatform(config)).rejects.toMatchObject({ code: "EADDRINUSE" });
  await eventually(async () => {
    const rows = await platform.sql("select 1 from pg_stat_activity where datname = $1", [new URL(databaseUrl).pathname.slice(1)]);
    expect(rows).toEqual([]);
  });
  holder.close();
});
