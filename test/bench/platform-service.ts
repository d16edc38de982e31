/** The platform in a process of its own, for benches and for tests that kill it. */
import { startPlatform } from "../../compose/basic/src/index.ts";

type Config = Parameters<typeof startPlatform>[0];
const {
  databaseUrl,
  facebook,
  port = 0,
} = JSON.parse(process.env.BENCH ?? "{}") as Pick<Config, "databaseUrl" | "facebook"> & { port?: number };
const running = await startPlatform({
  databaseUrl,
  facebook,
  listen: { host: "127.0.0.1", port },
  allowedHosts: [],
  webDir: "/nonexistent",
  log: () => {},
});
console.log(`listening ${running.port}`);
process.once("SIGTERM", () => void running.close().then(() => process.exit(0)));
