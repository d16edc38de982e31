/** A workspace and its specification, as the launcher would hand it to the engine. */
import { mkdtempSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import ssh2 from "ssh2";
import { createCompose } from "../../../../cli/platform/compose/compose.ts";
import type { CoreParts } from "../../../../cli/platform/compose/needs.ts";
import type { AiryEventBody, ServiceStatus } from "../../../../cli/events.ts";
import type { Platform, PlatformSpec } from "../../../../cli/platform/platform.ts";

const distDir = path.resolve(import.meta.dirname, "../../../../dist");

export const secrets = {
  databasePassword: "canary-database-password",
  verifyToken: "canary-verify-token",
  appSecret: "canary-app-secret",
  pageToken: "canary-page-token",
  commandToken: "canary-command-token",
};

export function createDocker(env: Record<string, string> = {}, core: CoreParts | null = null): Platform {
  const io = { uid: process.getuid?.() ?? null, os: process.platform, cwd: process.cwd(), now: () => new Date() };
  return createCompose({ ...io, env: { ...process.env, ...env }, distDir, at: null, adopt: false, core });
}

export async function makeSpec(): Promise<PlatformSpec> {
  const [platform = 0, edgeSsh = 0, edgeHttp = 0, facebook = 0] = await freePorts(4);
  return {
    workspace: mkdtempSync(path.join(os.tmpdir(), "airy-docker-")),
    ports: { platform, edgeSsh, edgeHttp, facebook },
    secrets: { databasePassword: secrets.databasePassword, verifyToken: secrets.verifyToken },
    facebook: { appId: "100000000000001", appSecret: secrets.appSecret, graphUrl: `http://127.0.0.1:${facebook}` },
    sandbox: {
      domain: "tunnel.localhost",
      edgeKeys: ssh2.utils.generateKeyPairSync("ed25519").public,
      edgeHostKey: ssh2.utils.generateKeyPairSync("ed25519").private,
      page: { id: "200000000000002", name: "Page", token: secrets.pageToken },
      commandToken: secrets.commandToken,
    },
  };
}

/** The last status of each service among the events. */
export function lastStatuses(events: readonly AiryEventBody[]): ServiceStatus[] {
  const last = new Map<string, ServiceStatus>();
  for (const event of events) if (event.type === "service") last.set(event.service.name, event.service);
  return [...last.values()];
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
