/**
 * Bundled and run by process.ts. `<dataDir>` answers commands; `<dataDir> storm <seed>` writes as fast as it can until it is killed;
 * `<dataDir> fill` stores empty webhooks, each from a network of its own, until it is refused; `<dataDir> count` says how many there are.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { EdgeError } from "../../../edge/errors.ts";
import { everything } from "./everything.ts";
import { openHoldStore, type LocalHoldStore } from "../../../edge/hold/store.ts";

const [dataDir = "", mode, seed = "0"] = process.argv.slice(2);

const say = (text: string) => writeSync(1, `${text}\n`);

try {
  const store = openHoldStore({ dataDir });
  say("open");
  if (mode === "storm") await storm(store, Number(seed));
  else if (mode === "fill") await fill(store);
  else if (mode === "count") await count(store);
  else serve(store);
} catch (error) {
  if (!(error instanceof EdgeError)) throw error;
  say(`failed ${error.code} ${error.detail}`);
  process.exitCode = 7;
}

function serve(store: LocalHoldStore): void {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const { n, what, identifier = "", id = "" } = JSON.parse(line) as { n: number; what: string; identifier?: string; id?: string };
    const answer = (value: object) => say(JSON.stringify({ n, ...value }));
    const run = async (): Promise<unknown> => {
      if (what === "append") {
        return store.append(identifier, id, { rawHead: Buffer.from(id), body: Buffer.alloc(10, 65), source: id, receivedAt: Date.now() });
      }
      if (what === "remove") return store.remove(identifier, id);
      if (what === "dead") return store.moveToDead(identifier, id, "TEST");
      if (what === "list") return (await everything(store, identifier)).map((entry) => entry.deliveryId);
      if (what === "stats") return store.stats(identifier);
      return store.close();
    };
    run().then(
      (result) => answer({ ok: true, result }),
      (error: { code?: string; message: string }) => answer({ ok: false, code: error.code ?? error.message }),
    );
  });
}

/** Says what it is about to do and what is done; every body begins with its number, and numbers grow along a queue. */
async function storm(store: LocalHoldStore, first: number): Promise<void> {
  let number = first;
  const worker = async (identifier: string): Promise<void> => {
    for (;;) {
      const n = ++number;
      const id = store.newDeliveryId();
      const body = Buffer.alloc(16 + (n % 7) * 6000, `${n}`);
      body.write(`${n} `, 0);
      await store.append(identifier, id, { rawHead: Buffer.from(`${n}`), body, source: `${n}`, receivedAt: Date.now() });
      say(`stored ${identifier} ${n} ${id}`);
      if (n % 4 !== 0) {
        say(`removing ${identifier} ${n} ${id}`);
        await store.remove(identifier, id);
        say(`removed ${identifier} ${n} ${id}`);
      } else if (n % 11 === 0) {
        say(`burying ${identifier} ${n} ${id}`);
        await store.moveToDead(identifier, id, "TEST");
        say(`buried ${identifier} ${n} ${id}`);
      }
    }
  };
  await Promise.all(Array.from({ length: 30 }, (_, i) => worker(["anna", "boris", "clara"][i % 3]!)));
}

async function fill(store: LocalHoldStore): Promise<void> {
  const nothing = { rawHead: Buffer.alloc(0), body: Buffer.alloc(0), receivedAt: 0 };
  const append = (n: number) =>
    store.append(`name${n % 7}`, store.newDeliveryId(), { ...nothing, source: `${10 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.1` });
  let stored = 0;
  for (let n = 0; ; n += 1_000) {
    const results = await Promise.allSettled(Array.from({ length: 1_000 }, (_, i) => append(n + i)));
    stored += results.filter(({ status }) => status === "fulfilled").length;
    const refused = results.find((result) => result.status === "rejected");
    if (!refused) continue;
    say(`filled ${stored} ${(refused.reason as EdgeError).code}`);
    await store.close();
    return;
  }
}

async function count(store: LocalHoldStore): Promise<void> {
  say(`count ${store.names().reduce((sum, name) => sum + store.stats(name).entries, 0)}`);
  await store.close();
}
