import { describe, expect, it } from "vitest";
import { EMPTY_ORDER, step, type OrderEvent } from "../../../cli/tunnel/ordered.ts";
import { randomFrom } from "../../support/random.ts";

/** What comes out of events in a row, e.g. `start 1`. */
function run(events: readonly OrderEvent[]): string[] {
  let order = EMPTY_ORDER;
  return events.flatMap((event) => {
    const result = step(order, event);
    order = result.order;
    return result.actions.map(({ type, id }) => `${type} ${id}`);
  });
}

const arrived = (id: number, first = false): OrderEvent => ({ type: "arrived", id, first });
const answered = (id: number, reception: "accepted" | "refused" | "failed" | "none"): OrderEvent => ({ type: "answered", id, reception });

describe("held webhooks at the agent", () => {
  it("go to the service one at a time, on after 2xx and after a refusal", () => {
    expect(
      run([arrived(1, true), arrived(2), arrived(3), answered(1, "accepted"), answered(2, "refused"), answered(3, "accepted")]),
    ).toEqual(["start 1", "start 2", "start 3"]);
  });

  it.each(["failed", "none"] as const)(
    "are given back behind one that ended with %s, also those that arrive later, until a new run begins",
    (end) => {
      const events = [arrived(1, true), arrived(2), answered(1, end), arrived(3), arrived(4, true), arrived(5), answered(4, "accepted")];
      expect(run(events)).toEqual(["start 1", "giveBack 2", "giveBack 3", "start 4", "start 5"]);
    },
  );

  it("of a new run go on when one of the run before them fails", () => {
    expect(run([arrived(1, true), arrived(2, true), answered(1, "failed")])).toEqual(["start 1", "start 2"]);
  });

  it("that are taken back while they wait change nothing for the others", () => {
    expect(run([arrived(1, true), arrived(2), arrived(3), answered(2, "none"), answered(1, "accepted")])).toEqual(["start 1", "start 3"]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("never two at once, never one past a failure, and none is forgotten (seed %i)", (seed) => {
    const random = randomFrom(seed);
    let order = EMPTY_ORDER;
    let next = 0;
    let atService: number | null = null;
    const open = new Set<number>();
    let failed = false;
    const feed = (event: OrderEvent) => {
      const result = step(order, event);
      order = result.order;
      for (const { type, id } of result.actions) {
        if (type === "giveBack") expect(open.delete(id)).toBe(true);
        else {
          expect(atService).toBe(null);
          expect(failed).toBe(false);
          atService = id;
        }
      }
    };
    for (let i = 0; i < 2_000; i++) {
      if (random(2) === 0 || open.size === 0) {
        // The edge says `first` when nothing is under way.
        const first = open.size === 0;
        if (first) failed = false;
        open.add(++next);
        feed(arrived(next, first));
      } else {
        const id: number = random(4) > 0 ? (atService ?? 0) : [...open][random(open.size)]!;
        if (!open.delete(id)) continue;
        const reception = id === atService ? (["accepted", "refused", "failed", "none"] as const)[random(4)]! : "none";
        if (id === atService) {
          atService = null;
          failed = reception === "failed" || reception === "none";
        }
        feed(answered(id, reception));
      }
      expect(open.size === 0 || atService !== null).toBe(true);
    }
  });
});
