/**
 * Deliveries that come while others are being committed are committed together: one statement, one sync to disk for all of them. One
 * statement at a time, so that no two of them can wait for each other's rows.
 */
import type { Database } from "../database/connect.ts";
import { isDataFault, isSerialization } from "../database/errors.ts";
import type { InboundItem } from "./derive.ts";
import { READER } from "./derive.ts";

interface RawDelivery {
  sha256: Buffer;
  body: Buffer;
  /** The edge's `Airy-Delivery` header, null without one. */
  header: string | null;
  note: string | null;
  /** The events in it. */
  items: InboundItem[];
}

export interface DeliveryWriter {
  /** Resolves once it is committed. Rejects with the database's error. */
  write(delivery: RawDelivery): Promise<void>;
}

interface Waiting {
  delivery: RawDelivery;
  resolve: () => void;
  reject: (error: unknown) => void;
}

const AT_ONCE = 64;
/** A larger one goes alone, beside the others: it would hold them up. */
const LARGE = 64 * 1024;

const store = {
  name: "store_deliveries",
  text: "select store_deliveries($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5, $6) as stored",
};

/** @param onStored is told, after the commit, what became of the events. */
export function createDeliveryWriter(database: Database, onStored: (stored: unknown, items: InboundItem[]) => void): DeliveryWriter {
  let waiting: Waiting[] = [];
  let writing = false;

  async function storeAll(deliveries: RawDelivery[]): Promise<void> {
    const column = <K extends keyof RawDelivery>(name: K) => deliveries.map((delivery) => delivery[name]);
    const items = deliveries.flatMap((delivery, at) => delivery.items.map((item) => ({ ...item, delivery_id: at + 1 })));
    const values = [column("sha256"), column("body"), column("header"), column("note"), READER, JSON.stringify(items)];
    const [row] = await repeatable(() => database.query<{ stored: unknown }>(store, values));
    if (items.length > 0) onStored(row?.stored, items);
  }

  async function settle(batch: Waiting[]): Promise<void> {
    try {
      await storeAll(batch.map(({ delivery }) => delivery));
      for (const one of batch) one.resolve();
    } catch (error) {
      // The data of one is refused: the others must not suffer for it.
      if (isDataFault(error) && batch.length > 1) for (const one of batch) await settle([one]);
      else for (const one of batch) one.reject(error);
    }
  }

  async function run(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      const [batch, rest] = different(waiting);
      waiting = rest;
      await settle(batch);
    }
    writing = false;
  }

  return {
    write: (delivery) =>
      new Promise((resolve, reject) => {
        const one = { delivery, resolve, reject };
        if (delivery.body.length > LARGE) return void settle([one]);
        waiting.push(one);
        if (!writing) void run();
      }),
  };
}

/** The first of those that wait, each delivery once; the same bytes again come later. */
function different(waiting: Waiting[]): [Waiting[], Waiting[]] {
  const batch = new Map<string, Waiting>();
  const rest: Waiting[] = [];
  for (const one of waiting) {
    const hash = one.delivery.sha256.toString("latin1");
    if (batch.size < AT_ONCE && !batch.has(hash)) batch.set(hash, one);
    else rest.push(one);
  }
  return [[...batch.values()], rest];
}

/** Statements that met another transaction in the wrong order are repeated. */
export async function repeatable<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= 3 || !isSerialization(error)) throw error;
    }
  }
}
