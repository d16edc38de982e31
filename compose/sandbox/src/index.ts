/** A stand-in for Facebook: the parts of the Graph API that webhooks and messages need, deliveries like Meta's, and customers to be. */
import type { AddressInfo } from "node:net";
import type { FacebookSandboxConfig } from "./config.ts";
import { Deliveries } from "./delivery.ts";
import { Faults } from "./faults.ts";
import { Files } from "./files.ts";
import { createServer } from "./server.ts";
import { Store } from "./store.ts";
import { Streams } from "./streams.ts";
import type { World } from "./world.ts";

export type { FacebookSandboxConfig };

export interface RunningFacebookSandbox {
  port: number;
  /** Of the page's owner, as a login would give it: for `/me/accounts`. */
  userToken: string;
  /** Stops listening, waits for deliveries under way (at most their 5 seconds each) and writes what is not yet written. */
  close(): Promise<void>;
}

/** Starts the stand-in; rejects with Node's own error when the port or the data folder cannot be had. */
export async function startFacebookSandbox(config: FacebookSandboxConfig): Promise<RunningFacebookSandbox> {
  const store = new Store(config);
  const streams = new Streams();
  const underWay = new Set<Promise<unknown>>();
  const deliveries = new Deliveries(config, store, (mids, outcome) => {
    for (const mid of mids) {
      const found = store.findMessage(mid);
      if (!found) continue;
      found.message.delivery = outcome;
      streams.tell({ type: "conversation", customerId: found.customer.id });
    }
  });
  const track = <T>(work: Promise<T>): Promise<T> => {
    const tracked: Promise<unknown> = work.finally(() => underWay.delete(tracked)).catch(() => {});
    underWay.add(tracked);
    return work;
  };
  const world: World = {
    config,
    store,
    deliveries,
    faults: new Faults(),
    files: new Files(config.dataDir ?? null, store),
    streams,
    publicUrl: config.publicUrl?.replace(/\/+$/, "") ?? "",
    track,
  };
  const server = await createServer(world);
  await server.listen({ host: config.listen.host, port: config.listen.port });
  const { port } = server.server.address() as AddressInfo;
  world.publicUrl ||= `http://127.0.0.1:${port}`;
  deliveries.start();
  config.log(`stand-in for Facebook listens on ${config.listen.host}:${port}: app ${config.app.id}, page ${config.page.id}`);

  return {
    port,
    userToken: [...store.tokens.values()].find(({ type }) => type === "user")?.token ?? "",
    async close() {
      deliveries.stop();
      streams.close();
      while (underWay.size > 0) await Promise.allSettled(underWay);
      await server.close();
      // The log has said it where that fails.
      await store.saved().catch(() => {});
    },
  };
}
