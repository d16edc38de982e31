/**
 * How many webhooks the edge can acknowledge durably, and how fast it starts with many. `npx tsx test/bench/hold.ts [--quick] [--json]`
 * prints a table, or one JSON document `{"rows":[{"case","value","unit"}]}`.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openHoldStore, type LocalHoldStore } from "../../edge/hold/store.ts";

interface Row {
  case: string;
  value: number;
  unit: string;
}

const quick = process.argv.includes("--quick");
const seconds = quick ? 1 : 4;
const body = randomBytes(2000);
const rawHead = Buffer.from(`POST /facebook HTTP/1.1\r\n${"X-Header: value\r\n".repeat(20)}\r\n`);
const rows: Row[] = [];
const work = mkdtempSync(path.join(tmpdir(), "airy-bench-hold-"));

const add = (name: string, value: number, unit: string) => rows.push({ case: name, value: Math.round(value * 100) / 100, unit });

/** What the disk gives: 2 kB appended and synced, one after the other. */
function plainAppends(): void {
  const fd = openSync(path.join(work, "plain"), "w");
  const end = performance.now() + seconds * 500;
  let count = 0;
  for (; performance.now() < end; count++) {
    writeSync(fd, body);
    fdatasyncSync(fd);
  }
  closeSync(fd);
  add("the disk: write + fdatasync of 2 kB, one by one", count / (seconds / 2), "/s");
}

function percentile(sorted: number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

async function acknowledgements(inFlight: number): Promise<void> {
  const dataDir = path.join(work, `acks${inFlight}`);
  const store = openHoldStore({ dataDir, maxBytesPerTunnel: 1e12 });
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  const sender = async (n: number): Promise<void> => {
    while (performance.now() < end) {
      const from = performance.now();
      // From many networks: a single one may fill only a share of the store.
      const source = `192.0.${times.length % 250}.1`;
      await store.append(`tunnel${n % 10}`, store.newDeliveryId(), { rawHead, body, source, receivedAt: 0 });
      times.push(performance.now() - from);
    }
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: inFlight }, (_, n) => sender(n)));
  const took = (performance.now() - from) / 1000;
  times.sort((a, b) => a - b);
  add(`durable acknowledgements, 2 kB, ${inFlight} in flight`, times.length / took, "/s");
  add(`  p50, ${inFlight} in flight`, percentile(times, 0.5), "ms");
  add(`  p99, ${inFlight} in flight`, percentile(times, 0.99), "ms");
  await store.close();
  rmSync(dataDir, { recursive: true });
}

async function fill(store: LocalHoldStore, count: number): Promise<void> {
  for (let i = 0; i < count; i += 500) {
    const some = Array.from({ length: Math.min(500, count - i) }, (_, n) => `tunnel${(i + n) % 20}`);
    await Promise.all(some.map((name) => store.append(name, store.newDeliveryId(), { rawHead, body, source: "192.0.2.1", receivedAt: 0 })));
  }
}

/** Delivery as the edge does it: up to 64 ahead, removed when answered, nobody waits for the removal. */
async function drain(count: number): Promise<void> {
  const dataDir = path.join(work, "drain");
  let store = openHoldStore({ dataDir, maxBytesPerTunnel: 1e12 });
  await fill(store, count);
  await store.close();
  const before = performance.now();
  store = openHoldStore({ dataDir, maxBytesPerTunnel: 1e12 });
  add(`opening with ${count} entries`, performance.now() - before, "ms");
  const from = performance.now();
  let longest = 0;
  const removed: Promise<void>[] = [];
  for (const name of store.names()) {
    for (;;) {
      const turn = performance.now();
      const entries = await store.peek(name, 0, 64);
      longest = Math.max(longest, performance.now() - turn);
      if (entries.length === 0) break;
      for (const entry of entries) removed.push(store.remove(name, entry.deliveryId));
      await new Promise(setImmediate);
    }
  }
  await Promise.all(removed);
  add(`read and removed, ${count} entries`, count / ((performance.now() - from) / 1000), "/s");
  add("  longest peek of 64", longest, "ms");
  await store.close();
}

try {
  plainAppends();
  for (const inFlight of [1, 16, 64, 256]) await acknowledgements(inFlight);
  await drain(quick ? 5_000 : 100_000);
} finally {
  rmSync(work, { recursive: true });
}

if (process.argv.includes("--json")) console.log(JSON.stringify({ rows }));
else for (const row of rows) console.log(`${row.case.padEnd(56)}${String(row.value).padStart(12)} ${row.unit}`);
