/** What becomes of a client whose wish to be held for cannot be written down. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { generateKey } from "../../../edge/names/key.ts";
import { startTunnel, type RunningTunnel } from "../../../cli/tunnel/tunnel.ts";
import { startEdge } from "../../../edge/index.ts";
import { freeze } from "../../support/freeze.ts";

test("it is told to come back, and the edge lives on", async (context) => {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-rules-"));
  const edge = await startEdge({
    domain: "tunnel.localhost",
    ssh: { host: "127.0.0.1", port: 0 },
    http: { host: "127.0.0.1", port: 0 },
    admin: null,
    dataDir: path.join(dir, "edge"),
    hostKey: null,
    publicPort: null,
    log: () => {},
  });
  const open: RunningTunnel[] = [];
  const tunnel = (hold: string[]) => {
    const started = startTunnel({
      edge: { host: "127.0.0.1", port: edge.sshPort },
      hostKey: { kind: "known", key: edge.hostKey },
      identity: generateKey("test").privateKey,
      target: { host: "127.0.0.1", port: 9 },
      paths: [],
      hold,
      holdSigned: true,
      onRefused: "close",
      onStatus: () => {},
      onRequest: () => {},
      log: () => {},
    });
    open.push(started);
    return started;
  };
  const thaw = await freeze(path.join(dir, "edge/rules"));
  try {
    if (!thaw) return context.skip();
    const held = tunnel(["/facebook"]);
    await vi.waitFor(() => expect(held.status().reason).toBe("SSH_UNREACHABLE"), { timeout: 15_000 });
    expect((await tunnel([]).opened).state).toBe("open");
    await thaw();
    expect((await held.opened).state).toBe("open");
  } finally {
    await thaw?.();
    for (const one of open) await one.close();
    await edge.close(0);
    await rm(dir, { recursive: true, force: true });
  }
});
