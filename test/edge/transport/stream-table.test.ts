import * as fc from "fast-check";
import { expect, test } from "vitest";
import { StreamTable } from "../../../edge/transport/stream-table.ts";
import type { MuxStream } from "../../../edge/transport/stream.ts";

test("holds what was added and not deleted, also where ids share a slot", () => {
  const ids = fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 1, max: 20 }).map((n) => n * 256),
    fc.constant(0xffff_fffe),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(ids, fc.boolean()), { maxLength: 200 }), (steps) => {
      const table = new StreamTable();
      const model = new Map<number, MuxStream>();
      for (const [id, adds] of steps) {
        const there = model.get(id);
        if (adds && !there) {
          const stream = { id, nextInSlot: null } as MuxStream;
          table.add(stream);
          model.set(id, stream);
        } else if (!adds) {
          const stream = there ?? ({ id, nextInSlot: null } as MuxStream);
          table.delete(stream);
          model.delete(id);
          expect(stream.nextInSlot).toBe(null);
        }
        expect(table.size).toBe(model.size);
        expect(table.get(id)).toBe(model.get(id));
      }
      expect(new Set(table.values())).toEqual(new Set(model.values()));
    }),
  );
});
