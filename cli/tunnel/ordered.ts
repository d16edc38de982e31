/**
 * The order in which held webhooks are taken to the local service: one at a time, and none past one that failed. The table is pure;
 * {@link OrderedQueue} does what it says.
 */
import type { Reception } from "../../edge/wire/reception.ts";

/** Whether the next one of the same run may follow, when one has been answered (`none`: it ended without the head of an answer). */
const NEXT_FOLLOWS: Record<Reception | "none", boolean> = { accepted: true, refused: true, failed: false, none: false };

interface Order {
  /** In the order of arrival. The first one is at the local service. */
  readonly queue: readonly { id: number; run: number }[];
  /** A run begins with a webhook behind which nothing was under way when the edge sent it. */
  readonly run: number;
  /** The last run in which one failed: what still arrives of it was sent before the edge knew, and is given back. */
  readonly failedRun: number;
}

export type OrderEvent =
  | { type: "arrived"; id: number; first: boolean }
  /** The head of the local service's answer has come; or there will be none, because it broke off or the edge took the webhook back. */
  | { type: "answered"; id: number; reception: Reception | "none" };

/** `start`: take it to the local service. `giveBack`: to the edge, untried. */
interface OrderAction {
  type: "start" | "giveBack";
  id: number;
}

export const EMPTY_ORDER: Order = { queue: [], run: 0, failedRun: -1 };

export function step(order: Order, event: OrderEvent): { order: Order; actions: OrderAction[] } {
  return event.type === "arrived" ? arrived(order, event.id, event.first) : answered(order, event.id, event.reception);
}

function arrived(order: Order, id: number, first: boolean): { order: Order; actions: OrderAction[] } {
  const run = first ? order.run + 1 : order.run;
  if (run === order.failedRun) return { order, actions: [{ type: "giveBack", id }] };
  const queue = [...order.queue, { id, run }];
  return { order: { ...order, run, queue }, actions: queue.length === 1 ? [{ type: "start", id }] : [] };
}

function answered(order: Order, id: number, reception: Reception | "none"): { order: Order; actions: OrderAction[] } {
  const index = order.queue.findIndex((one) => one.id === id);
  const one = order.queue[index];
  if (!one) return { order, actions: [] };
  const rest = order.queue.filter((other) => other !== one);
  // One that is taken back while it waits changes nothing for the one at the service.
  if (index > 0) return { order: { ...order, queue: rest }, actions: [] };
  const follows = NEXT_FOLLOWS[reception];
  const queue = follows ? rest : rest.filter(({ run }) => run !== one.run);
  const givenBack = rest.filter((other) => !queue.includes(other));
  const actions: OrderAction[] = givenBack.map(({ id: back }) => ({ type: "giveBack", id: back }));
  if (queue[0]) actions.push({ type: "start", id: queue[0].id });
  return { order: { ...order, queue, failedRun: follows ? order.failedRun : one.run }, actions };
}

/** A held webhook at the agent. */
export interface OrderedExchange {
  /** To be called with the head of the local service's answer, and when it is over; only the first call counts. */
  onAnswered: ((reception: Reception | "none") => void) | null;
  /** Takes it to the local service. */
  start(): void;
  /** Gives it back to the edge untried. */
  giveBack(): void;
}

export class OrderedQueue {
  readonly #exchanges = new Map<number, OrderedExchange>();
  #order = EMPTY_ORDER;
  #lastId = 0;

  add(exchange: OrderedExchange, first: boolean): void {
    const id = ++this.#lastId;
    this.#exchanges.set(id, exchange);
    exchange.onAnswered = (reception) => this.#on({ type: "answered", id, reception });
    this.#on({ type: "arrived", id, first });
  }

  #on(event: OrderEvent): void {
    const { order, actions } = step(this.#order, event);
    this.#order = order;
    if (event.type === "answered") this.#exchanges.delete(event.id);
    for (const { type, id } of actions) {
      const exchange = this.#exchanges.get(id);
      if (type === "giveBack") this.#exchanges.delete(id);
      exchange?.[type]();
    }
  }
}
