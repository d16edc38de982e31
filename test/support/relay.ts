/**
 * A TCP relay with a round trip time, a bandwidth, and black holes: what a real line does, in userland (this kernel has no `tc netem`).
 * Bytes that are under way when a hole opens arrive when it closes, as TCP's retransmissions would bring them.
 */
import net from "node:net";

export interface Relay {
  port: number;
  /** Nothing gets through either way, and nobody is told. */
  hole(open: boolean): void;
  /** Resets every connection. */
  cut(): void;
  /** Connections accepted so far. */
  accepted(): number;
  /** Bytes forwarded so far: towards the target, and back. */
  bytes(): { there: number; back: number };
  close(): Promise<void>;
}

export interface RelayOptions {
  target: () => { host: string; port: number };
  /** Milliseconds. */
  roundTrip?: number;
  /** Bytes a second, each way; default: no limit. */
  rate?: number;
}

/** What may be under way in one direction before its source is paused: a line's buffers. */
const IN_FLIGHT = 16 * 1024 * 1024;
const TICK_MS = 5;

export async function startRelay(options: RelayOptions): Promise<Relay> {
  const pairs = new Set<{ near: net.Socket; far: net.Socket; wake: () => void }>();
  let holed = false;
  let accepted = 0;
  const total = { there: 0, back: 0 };

  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    accepted += 1;
    const far = net.connect({ ...options.target(), noDelay: true, allowHalfOpen: true });
    const there = carry(
      near,
      far,
      options,
      () => holed,
      (n) => (total.there += n),
    );
    const back = carry(
      far,
      near,
      options,
      () => holed,
      (n) => (total.back += n),
    );
    const pair = {
      near,
      far,
      wake: () => {
        there();
        back();
      },
    };
    pairs.add(pair);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on("error", () => {});
      socket.on("close", (failed) => {
        pairs.delete(pair);
        if (failed) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  return {
    port: (server.address() as net.AddressInfo).port,
    hole: (open) => {
      holed = open;
      for (const { near, far, wake } of pairs) {
        for (const socket of [near, far]) {
          if (open) socket.pause();
          else socket.resume();
        }
        if (!open) wake();
      }
    },
    cut: () => {
      for (const { near, far } of pairs) {
        near.resetAndDestroy();
        far.resetAndDestroy();
      }
    },
    accepted: () => accepted,
    bytes: () => ({ ...total }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const { near, far } of pairs) {
          near.destroy();
          far.destroy();
        }
      }),
  };
}

/** Carries one direction; returns a function that looks again after a hole has closed. */
function carry(from: net.Socket, to: net.Socket, options: RelayOptions, holed: () => boolean, count: (bytes: number) => void): () => void {
  const delay = (options.roundTrip ?? 0) / 2;
  const rate = options.rate ?? Number.POSITIVE_INFINITY;
  const line: { chunk: Buffer | null; at: number }[] = [];
  let queued = 0;
  let timer: NodeJS.Timeout | null = null;
  let draining = false;
  let free = performance.now();

  function pump(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    while (!draining && line.length > 0 && !holed() && !to.destroyed) {
      const first = line[0]!;
      const now = performance.now();
      const due = Math.max(first.at, free);
      if (due > now) {
        timer = setTimeout(pump, Math.max(1, Math.min(due - now, TICK_MS)));
        return;
      }
      if (first.chunk === null) {
        line.shift();
        to.end();
        continue;
      }
      let { chunk } = first;
      if (Number.isFinite(rate)) {
        chunk = chunk.subarray(0, Math.max(256, Math.ceil((rate * TICK_MS) / 1000)));
        free = Math.max(free, now - TICK_MS) + (chunk.length / rate) * 1000;
      }
      if (chunk.length === first.chunk.length) line.shift();
      else first.chunk = first.chunk.subarray(chunk.length);
      queued -= chunk.length;
      count(chunk.length);
      const room = to.write(chunk);
      if (queued < IN_FLIGHT / 2 && from.isPaused() && !holed()) from.resume();
      if (!room) {
        draining = true;
        to.once("drain", () => {
          draining = false;
          pump();
        });
      }
    }
  }

  from.on("data", (chunk) => {
    line.push({ chunk, at: performance.now() + delay });
    queued += chunk.length;
    if (queued >= (Number.isFinite(rate) ? 256 * 1024 : IN_FLIGHT)) from.pause();
    if (!timer) pump();
  });
  from.on("end", () => {
    line.push({ chunk: null, at: performance.now() + delay });
    pump();
  });
  return pump;
}
