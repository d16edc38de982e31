/** The basic platform as a process of its own. Its one argument: database URL, port and Graph URL, as JSON. */
import { startPlatform } from "../../compose/basic/src/index.ts";

export interface PlatformArguments {
  databaseUrl: string;
  port: number;
  graphUrl: string;
  app: { appId: string; appSecret: string; verifyToken: string };
}

const { databaseUrl, port, graphUrl, app } = JSON.parse(process.argv[2] ?? "{}") as PlatformArguments;
await startPlatform({
  databaseUrl,
  listen: { host: "127.0.0.1", port },
  allowedHosts: [],
  facebook: { ...app, graphUrl },
  webDir: "/nonexistent",
  log: (line) => process.stderr.write(`${line}\n`),
});
