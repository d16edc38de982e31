/**
 * What the basic platform does, with each engine: webhooks taken, lists with 100,000 conversations, events told, deliveries read again,
 * memory, start, size of the image. `npm run bench:platform [-- --quick] [-- --json] [-- --engine embedded|docker]`; the docker engine is
 * left out where there is none. `AIRY_BENCH_DATABASE=postgres://...` takes another server's empty database in place of the embedded one.
 */
import { createHash } from "node:crypto";
import http from "node:http";
import { Client } from "pg";
import { WebSocket } from "ws";
import { metaJson, signatureHeaders } from "../../compose/facebook/contract.ts";
import { airyId } from "../../compose/basic/src/ids.ts";
import { dockerStage, embeddedStage, hasDocker, type Stage } from "./platform-stage.ts";

const quick = process.argv.includes("--quick");
const asJson = process.argv.includes("--json");
const size = quick
  ? { batches: 40, single: 1_500, seconds: 4, conversations: 100_000, messages: 1_000_000, deliveries: 5_000, lists: 40 }
  : { batches: 200, single: 10_000, seconds: 20, conversations: 100_000, messages: 1_000_000, deliveries: 50_000, lists: 200 };

let stage: Stage;
let channel: string;

interface Row {
  case: string;
  value: number;
  unit: string;
  target: string;
}
const rows: Row[] = [];
function report(name: string, value: number, unit: string, target: string): void {
  const row = { case: `${stage.engine}: ${name}`, value: Math.round(value * 10) / 10, unit, target };
  rows.push(row);
  if (!asJson) console.log(`${row.case.padEnd(62)} ${String(row.value).padStart(10)} ${unit.padEnd(12)} target ${target}`);
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
      recipient: { id: stage.page },
      timestamp: 1_760_000_000_000 + made,
      message: { mid: `m_${process.pid}_${made}`, text },
    };
  });
  return metaJson({ object: "page", entry: [{ id: stage.page, time: 1, messaging }] });
}
async function deliver(port: number, body: Buffer): Promise<number> {
  const began = performance.now();
  const { status, text } = await post(port, "/facebook", body, { ...signatureHeaders(stage.app.appSecret, body) });
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

async function measure(): Promise<void> {
  const client = new Client({ connectionString: stage.databaseUrl });
  client.on("error", () => {});
  await client.connect();
  channel = airyId("facebook", stage.page);
  await client.query(
    "insert into channel (id, source, source_channel_id, connected, metadata) values ($1, 'facebook', $2, true, '{}') on conflict do nothing",
    [channel, stage.page],
  );
  await lanes(50, 4, () => deliver(stage.port, delivery(10)));
  await measureIngest();
  await measureEvents(stage.port);
  await measureReprocess(stage.port, stage.databaseUrl);
  await fill(stage.databaseUrl);
  report("start, with that data", await stage.restart(), "s", "<= 2");
  await measureLists(stage.port);
  await lanes(200, 4, () => deliver(stage.port, delivery(10)));
  report("memory of the service after that (RSS)", stage.memory(), "MB", "<= 150");
  if (stage.imageSize !== null) report("size of the image", stage.imageSize, "MB", "<= 250");
  await client.end();
}

async function measureIngest(): Promise<void> {
  const batches = await lanes(size.batches, 4, () => deliver(stage.port, delivery(100)));
  report("webhook ingest, 100 messages a delivery, 4 lanes", (size.batches * 100) / batches, "messages/s", ">= 2000");
  const single = await lanes(size.single, 16, () => deliver(stage.port, delivery(1)));
  report("webhook ingest, one message a delivery, 16 lanes", size.single / single, "messages/s", ">= 800");
  const times: number[] = [];
  const open: Promise<unknown>[] = [];
  const began = performance.now();
  for (let index = 0; index < size.seconds * 200; index += 1) {
    const early = began + index * 5 - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    open.push(deliver(stage.port, delivery(1)).then((time) => times.push(time)));
  }
  await Promise.all(open);
  report("webhook at 200/s", percentile(times, 0.99), "ms (p99)", "<= 50");
}

async function main(): Promise<void> {
  const at = process.argv.indexOf("--engine");
  const asked = at < 0 ? ["embedded", "docker"] : [process.argv[at + 1]];
  for (const engine of asked) {
    if (engine === "docker" && at < 0 && !hasDocker()) {
      console.error("docker is left out: no engine with Compose, or the base images that the environment names are not there");
      continue;
    }
    stage = engine === "docker" ? await dockerStage() : await embeddedStage();
    try {
      await measure();
    } finally {
      await stage.close();
    }
  }
  agent.destroy();
  if (asJson) console.log(JSON.stringify({ rows }));
}

await main();
