/** The platform in a process of its own, for the bench. */
import { startPlatform } from "../../compose/basic/src/index.ts";

const { databaseUrl, facebook } = JSON.parse(process.env.BENCH ?? "{}") as Pick<
  Parameters<typeof startPlatform>[0],
  "databaseUrl" | "facebook"
>;
const running = await startPlatform({
  databaseUrl,
  facebook,
  listen: { host: "127.0.0.1", port: 0 },
  allowedHosts: [],
  webDir: "/nonexistent",
  log: () => {},
});
console.log(`listening ${running.port}`);
process.once("SIGTERM", () => void running.close().then(() => process.exit(0)));
