/**
 * What the basic platform does: webhooks taken, lists with 100,000 conversations, events told, deliveries read again, memory, start.
 * `npm run bench:platform [-- --quick] [-- --json]`; `AIRY_BENCH_DATABASE=postgres://...` takes another server's empty database.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { Client } from "pg";
import { WebSocket } from "ws";
import { metaJson, signatureHeaders } from "../../compose/facebook/contract.ts";
import { airyId } from "../../compose/basic/src/ids.ts";
import { startPostgres } from "../support/postgres.ts";

const quick = process.argv.includes("--quick");
const asJson = process.argv.includes("--json");
const size = quick
  ? { batches: 40, single: 1_500, seconds: 4, conversations: 100_000, messages: 1_000_000, deliveries: 5_000, lists: 40 }
  : { batches: 200, single: 10_000, seconds: 20, conversations: 100_000, messages: 1_000_000, deliveries: 50_000, lists: 200 };

const app = { appId: "1234567890123456", appSecret: "bench_secret", verifyToken: "bench_verify" };
const page = "1001";
const channel = airyId("facebook", page);

interface Row {
  case: string;
  value: number;
  unit: string;
  target: string;
}
const rows: Row[] = [];
function report(name: string, value: number, unit: string, target: string): void {
  const row = { case: name, value: Math.round(value * 10) / 10, unit, target };
  rows.push(row);
  if (!asJson) console.log(`${name.padEnd(52)} ${String(row.value).padStart(10)} ${unit.padEnd(12)} target ${target}`);
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
function post(
  port: number,
  target: string,
  body: Buffer | string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        host: "127.0.0.1",
        port,
        method: "POST",
        path: target,
        agent,
        headers: { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)), ...headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

let made = 0;
function delivery(messages: number): Buffer {
  const messaging = Array.from({ length: messages }, () => {
    made += 1;
    const text = `message ${made}, as long as people write in one go`;
    return {
      sender: { id: String(20_000 + (made % 1_000)) },
      recipient: { id: page },
      timestamp: 1_760_000_000_000 + made,
      message: { mid: `m_${process.pid}_${made}`, text },
    };
  });
  return metaJson({ object: "page", entry: [{ id: page, time: 1, messaging }] });
}
async function deliver(port: number, body: Buffer): Promise<number> {
  const began = performance.now();
  const { status, text } = await post(port, "/facebook", body, { ...signatureHeaders(app.appSecret, body) });
  if (status !== 200) throw new Error(`the webhook answered ${status} ${text}`);
  return performance.now() - began;
}
/** Runs `count` times `work`, `lanes` at once; returns seconds. */
async function lanes(count: number, width: number, work: () => Promise<unknown>): Promise<number> {
  let left = count;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (left > 0) {
        left -= 1;
        await work();
      }
    }),
  );
  return (performance.now() - began) / 1_000;
}
const percentile = (values: number[], p: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] ?? 0;

/** The service as a process of its own, so that its memory is its own. */
async function startService(databaseUrl: string): Promise<{ port: number; pid: number; seconds: number; stop: () => Promise<void> }> {
  const began = performance.now();
  const script = path.join(import.meta.dirname, "platform-service.ts");
  const built = path.join(os.tmpdir(), `airy-bench-platform-${process.pid}.mjs`);
  const { build } = await import("esbuild");
  await build({
    entryPoints: [script],
    outfile: built,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["pg-native"],
    logLevel: "error",
    banner: {
      js: 'import { createRequire as __r } from "node:module"; const require = __r(import.meta.url); const __dirname = import.meta.dirname; const __filename = import.meta.filename;',
    },
  });
  const builtAfter = performance.now() - began;
  const child = spawn(process.execPath, [built], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, BENCH: JSON.stringify({ databaseUrl, facebook: { ...app, graphUrl: "http://127.0.0.1:9" } }) },
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      const found = /listening (\d+)/.exec(chunk.toString());
      if (found) resolve(Number(found[1]));
    });
    child.once("exit", (code) => reject(new Error(`the service ended with ${code}`)));
  });
  const seconds = (performance.now() - began - builtAfter) / 1_000;
  return {
    port,
    pid: child.pid ?? 0,
    seconds,
    stop: () => new Promise((resolve) => (child.removeAllListeners("exit"), child.once("exit", () => resolve()), child.kill("SIGTERM"))),
  };
}

async function fill(databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  // Nobody is asked for 100,000 names.
  await client
    .query("alter table conversation disable trigger all; alter table message disable trigger all")
    .catch(() => client.query("alter table conversation disable trigger user; alter table message disable trigger user"));
  await client.query(
    `insert into conversation (id, channel_id, source_conversation_id, created_at, last_message_at, unread_count, source, display_name, name_lower, fetch_state, state)
     select gen_random_uuid(), $1, 'c' || n, to_timestamp(1600000000 + n), to_timestamp(1600000000 + n * 10), case when n % 50 = 0 then 3 else 0 end,
       'facebook', 'Person ' || md5(n::text), 'person ' || md5(n::text), 'ok', case when n % 3 = 0 then 'CLOSED' end
     from generate_series(1, $2::int) n`,
    [channel, size.conversations],
  );
  await client.query(
    `insert into message (id, conversation_id, channel_id, source_message_id, sent_at, from_contact, sender_id, delivery_state, content)
     select gen_random_uuid(), c.id, c.channel_id, 'f' || c.source_conversation_id || '_' || n, c.last_message_at - n * interval '1 minute', n % 2 = 0, 'x', 'delivered',
       '{"message":{"text":"a message of some length that people write"}}'
     from conversation c, generate_series(0, $1::int) n where c.source_conversation_id like 'c%'`,
    [size.messages / size.conversations - 1],
  );
  await client.query("alter table conversation enable trigger user; alter table message enable trigger user");
  await client.query("vacuum analyze");
  await client.end();
}

async function measureLists(port: number): Promise<void> {
  const cases: [string, string | undefined][] = [
    ["all", undefined],
    ["unread", "unread_count:[1 TO *]"],
    ["closed", "metadata.state:CLOSED"],
    ["open", "id:* AND NOT metadata.state:CLOSED"],
    ["name", "display_name:*ab1c*"],
    ["one channel, unread", `channel_id:(${channel}) AND unread_count:[1 TO *]`],
  ];
  for (const [name, filters] of cases) {
    const times: number[] = [];
    for (let index = 0; index < size.lists; index += 1) {
      const began = performance.now();
      const { status, text } = await post(port, "/conversations.list", JSON.stringify({ page_size: 20, ...(filters && { filters }) }));
      if (status !== 200) throw new Error(text);
      times.push(performance.now() - began);
    }
    report(`conversations.list, first page: ${name}`, percentile(times, 0.5), "ms (p50)", "<= 20");
  }
}

async function measureEvents(port: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws.communication`, ["v12.stomp"]);
  const seen = new Map<string, (at: number) => void>();
  socket.on("message", (data) => {
    const found = /"mid":"([^"]+)"/.exec((data as Buffer).toString());
    if (found?.[1]) seen.get(found[1])?.(performance.now());
  });
  await new Promise((resolve) => socket.once("open", resolve));
  socket.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0");
  socket.send("SUBSCRIBE\nid:1\ndestination:/events\n\n\0");
  await new Promise((resolve) => setTimeout(resolve, 300));
  const times: number[] = [];
  for (let index = 0; index < (quick ? 100 : 500); index += 1) {
    const body = delivery(1);
    const told = new Promise<number>((resolve) => seen.set(`m_${process.pid}_${made}`, resolve));
    const began = performance.now();
    void deliver(port, body);
    times.push((await told) - began);
  }
  socket.terminate();
  report("event to a STOMP subscriber", percentile(times, 0.95), "ms (p95)", "<= 30");
}

async function measureReprocess(port: number, databaseUrl: string): Promise<void> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const [{ n }] = (await client.query<{ n: number }>("select count(*)::int as n from delivery")).rows as [{ n: number }];
  for (let left = size.deliveries - n; left > 0; left -= 1_000) {
    const bodies = Array.from({ length: Math.min(1_000, left) }, () => delivery(1));
    const hashes = bodies.map((body) => createHash("sha256").update(body).digest());
    await client.query("insert into delivery (sha256, body) select * from unnest($1::bytea[], $2::bytea[])", [hashes, bodies]);
  }
  await client.end();
  // The first run adds the messages; what is measured is the usual case, that nearly all are there.
  await post(port, "/admin.reprocess", "");
  const began = performance.now();
  const { text } = await post(port, "/admin.reprocess", "");
  if (!text.includes('"done":true')) throw new Error(text.slice(-500));
  const { deliveries } = JSON.parse(text.trim().split("\n").at(-1) ?? "{}") as { deliveries: number };
  report("reprocess", deliveries / ((performance.now() - began) / 1_000), "deliveries/s", ">= 5000");
}

async function main(): Promise<void> {
  const postgres = process.env.AIRY_BENCH_DATABASE ? null : await startPostgres();
  const databaseUrl = process.env.AIRY_BENCH_DATABASE ?? (await postgres!.createDatabase());
  let service = await startService(databaseUrl);
  try {
    const client = new Client({ connectionString: databaseUrl });
    client.on("error", () => {});
    await client.connect();
    await client.query("insert into channel (id, source, source_channel_id, connected, metadata) values ($1, 'facebook', $2, true, '{}')", [
      channel,
      page,
    ]);
    await lanes(50, 4, () => deliver(service.port, delivery(10)));

    const batches = await lanes(size.batches, 4, () => deliver(service.port, delivery(100)));
    report("webhook ingest, 100 messages a delivery, 4 lanes", (size.batches * 100) / batches, "messages/s", ">= 2000");
    const single = await lanes(size.single, 16, () => deliver(service.port, delivery(1)));
    report("webhook ingest, one message a delivery, 16 lanes", size.single / single, "messages/s", ">= 800");
    const times: number[] = [];
    const open: Promise<unknown>[] = [];
    const began = performance.now();
    for (let index = 0; index < size.seconds * 200; index += 1) {
      const early = began + index * 5 - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      open.push(deliver(service.port, delivery(1)).then((time) => times.push(time)));
    }
    await Promise.all(open);
    report("webhook at 200/s", percentile(times, 0.99), "ms (p99)", "<= 50");
    await measureEvents(service.port);
    await measureReprocess(service.port, databaseUrl);

    await fill(databaseUrl);
    await service.stop();
    service = await startService(databaseUrl);
    report("start, with that data", service.seconds, "s", "<= 2");
    await measureLists(service.port);
    await lanes(200, 4, () => deliver(service.port, delivery(10)));
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${service.pid}/status`, "utf8"))?.[1];
    report("memory of the service after that (RSS)", Number(rss ?? 0) / 1_024, "MB", "<= 150");
    await client.end();
  } finally {
    await service.stop();
    agent.destroy();
    await postgres?.close();
  }
  if (asJson) console.log(JSON.stringify({ rows }));
}

await main();
