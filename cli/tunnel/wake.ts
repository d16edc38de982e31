/** Notices that the machine slept or moved to another network: a connection from before is dead then, whether or not it looks alive. */
import os from "node:os";

const LOOK_EVERY_MS = 1_000;
/** A look that comes this much late, by the wall clock, was held up by sleep (or by SIGSTOP, or the time was set): worth a look as well. */
const LATE_MS = 3_000;

/**
 * Calls back soon after a wake-up or a change of addresses; returns a function that stops watching. The wall clock alone is asked: the
 * monotonic one stands still in sleep on Linux and goes on on macOS (libuv takes `mach_continuous_time` there).
 */
export function watchWake(onWake: (what: "sleep" | "network") => void): () => void {
  let before = { at: Date.now(), addresses: addresses() };
  const timer = setInterval(() => {
    const now = { at: Date.now(), addresses: addresses() };
    const slept = now.at - before.at > LOOK_EVERY_MS + LATE_MS;
    const moved = now.addresses !== before.addresses;
    before = now;
    if (slept) onWake("sleep");
    else if (moved) onWake("network");
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Those of containers and virtual machines: they come and go with anybody's, and no way to an edge leads over them. */
const VIRTUAL = /^(veth|docker\d|br-|cni|podman|virbr|vnet|lxc|lxd)/;

function addresses(): string {
  return Object.entries(os.networkInterfaces())
    .filter(([name]) => !VIRTUAL.test(name))
    .flatMap(([name, list]) => (list ?? []).filter(({ internal }) => !internal).map(({ address }) => `${name} ${address}`))
    .toSorted()
    .join(",");
}
