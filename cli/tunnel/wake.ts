/** Notices that the machine slept or moved to another network: a connection from before is dead then, whether or not it looks alive. */
import os from "node:os";

const LOOK_EVERY_MS = 1_000;
/** The clocks drift apart by this much only when the machine slept or somebody set the time; both are worth a look. */
const JUMP_MS = 3_000;

/** Calls back soon after a wake-up or a change of addresses; returns a function that stops watching. */
export function watchWake(onWake: (what: "sleep" | "network") => void): () => void {
  // The monotonic clock stands still while a laptop sleeps, the wall clock does not.
  const drift = () => Date.now() - performance.now();
  let before = { drift: drift(), addresses: addresses() };
  const timer = setInterval(() => {
    const now = { drift: drift(), addresses: addresses() };
    const slept = Math.abs(now.drift - before.drift) > JUMP_MS;
    const moved = now.addresses !== before.addresses;
    before = now;
    if (slept) onWake("sleep");
    else if (moved) onWake("network");
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function addresses(): string {
  return Object.entries(os.networkInterfaces())
    .flatMap(([name, list]) => (list ?? []).filter(({ internal }) => !internal).map(({ address }) => `${name} ${address}`))
    .toSorted()
    .join(",");
}
