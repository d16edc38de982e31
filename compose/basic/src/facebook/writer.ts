/**
 * Deliveries that come while others are being committed are committed together: one statement, one sync to disk for all of them. One
 * statement at a time, so that no two of them can wait for each other's rows.
 */
import type { Database } from "../database/connect.ts";
import { isDataFault, isSerialization } from "../database/errors.ts";
import { READER } from "./derive.ts";

interface RawDelivery {
  sha256: Buffer;
  body: Buffer;
  /** The edge's `Airy-Delivery` header, null without one. */
  header: string | null;
  note: string | null;
  /** JSON text of the events in it. */
  items: string;
}

export interface DeliveryWriter {
  /** Resolves with what `store_delivery` says, once it is committed. Rejects with the database's error. */
  write(delivery: RawDelivery): Promise<unknown>;
}

interface Waiting {
  delivery: RawDelivery;
  resolve: (stored: unknown) => void;
  reject: (error: unknown) => void;
}

const AT_ONCE = 64;
/** A larger one goes alone, beside the others: it would hold them up. */
const LARGE = 64 * 1024;

const store = {
  name: "store_deliveries",
  text: `select store_delivery(d.sha256, d.body, d.header, d.note, $6, d.items) as stored
    from unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::json[]) with ordinality as d(sha256, body, header, note, items, at)
    order by d.at`,
};

export function createDeliveryWriter(database: Database): DeliveryWriter {
  let waiting: Waiting[] = [];
  let writing = false;

  async function storeAll(deliveries: RawDelivery[]): Promise<unknown[]> {
    const column = <K extends keyof RawDelivery>(name: K) => deliveries.map((delivery) => delivery[name]);
    const values = [column("sha256"), column("body"), column("header"), column("note"), column("items"), READER];
    const rows = await repeatable(() => database.query<{ stored: unknown }>(store, values));
    return rows.map((row) => row.stored);
  }

  async function settle(batch: Waiting[]): Promise<void> {
    try {
      const stored = await storeAll(batch.map(({ delivery }) => delivery));
      for (const [index, one] of batch.entries()) one.resolve(stored[index]);
    } catch (error) {
      // The data of one is refused: the others must not suffer for it.
      if (isDataFault(error) && batch.length > 1) for (const one of batch) await settle([one]);
      else for (const one of batch) one.reject(error);
    }
  }

  async function run(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, AT_ONCE);
      waiting = waiting.slice(AT_ONCE);
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
