/** What every part of a running stand-in works with. */
import type { FacebookSandboxConfig } from "./config.ts";
import type { Deliveries } from "./delivery.ts";
import type { Faults } from "./faults.ts";
import type { Files } from "./files.ts";
import type { Store } from "./store.ts";
import type { Streams } from "./streams.ts";

export interface World {
  config: FacebookSandboxConfig;
  store: Store;
  deliveries: Deliveries;
  faults: Faults;
  files: Files;
  streams: Streams;
  /** Without a slash at the end. */
  publicUrl: string;
  /** Remembers work under way, which closing waits for. */
  track<T>(work: Promise<T>): Promise<T>;
}
