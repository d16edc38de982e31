import { expect, test } from "vitest";
import type { Reservation } from "../../../edge/ingress/bodies.ts";
import { BodyBudget } from "../../../edge/ingress/bodies.ts";

function fill(budget: BodyBudget, names: string[]) {
  const evicted: string[] = [];
  const of = new Map<string, Reservation>();
  for (const name of names) {
    const reservation = budget.reserve(() => {
      evicted.push(name);
      of.get(name)!.release();
    });
    of.set(name, reservation);
    expect(reservation.grow(10)).toBe(true);
  }
  return { of: (name: string) => of.get(name)!, evicted };
}

test("the body that is on its way for the longest goes first; those that are complete, released or growing stay", () => {
  const budget = new BodyBudget(50);
  const { of, evicted } = fill(budget, ["a", "b", "c", "d", "e"]);
  of("b").complete();
  of("c").release();
  of("c").release();
  expect(budget.bytes).toBe(40);
  expect(of("a").grow(25)).toBe(true);
  expect(evicted).toEqual(["d", "e"]);
  expect(budget.bytes).toBe(45);
  expect(of("a").grow(6)).toBe(false);
  expect(evicted).toEqual(["d", "e"]);
  of("a").release();
  of("b").release();
  expect(budget.bytes).toBe(0);
});

test("a place that was left in the middle of evicting neither cuts the queue nor is evicted again", () => {
  const budget = new BodyBudget(30);
  const { of, evicted } = fill(budget, ["a", "b", "c"]);
  of("a").complete();
  const late = fill(budget, ["d"]);
  expect(evicted).toEqual(["b"]);
  expect(late.of("d").grow(10)).toBe(true);
  expect(evicted).toEqual(["b", "c"]);
  expect(budget.bytes).toBe(30);
});
