import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { RECYCLE_AFTER_MS } from "../../../edge/names/claims.ts";
import { launchTunnel, newKey, openEdge, openTunnel, until } from "../../support/edge.ts";

afterEach(() => {
  vi.useRealTimers();
});

it("a name whose tunnel stays open is in use, also after a crash: nobody else gets it however long that is", async () => {
  const edge = await openEdge();
  const { tunnel } = await openTunnel(edge, 9, { name: "shop" });
  const folder = path.join(edge.dir, "edge", "names");
  const written = () =>
    readdirSync(folder)
      .map((file) => readFileSync(path.join(folder, file), "latin1"))
      .join();
  const before = written();
  // The edge's clock for ages goes by the monotonic one.
  vi.useFakeTimers({ toFake: ["performance"] });
  vi.advanceTimersByTime(2 * RECYCLE_AFTER_MS);
  await until("the edge to write down that the name is in use", () => written() !== before);
  const other = launchTunnel(edge, 9, { name: "shop", identity: newKey().private });
  await expect(other.tunnel.opened).rejects.toMatchObject({ code: "NAME_TAKEN" });
  await tunnel.close();
  await edge.close();
});
