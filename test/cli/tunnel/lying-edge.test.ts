/** An edge that a user was talked into: it says and sends what no honest one would. */
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import ssh2 from "ssh2";
import { afterEach, expect, it } from "vitest";
import type { RunningTunnel } from "../../../cli/tunnel/tunnel.ts";
import { FrameDecoder, FrameType, FrameWriter, ResetCode } from "../../../edge/wire/frames.ts";
import { fingerprintOf, publicKeyBlob } from "../../../edge/names/identifier.ts";
import { launchTunnel, newKey, startOrigin, until, type TestEdge } from "../../support/edge.ts";

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.toReversed()) await step();
  cleanUp = [];
});

interface Liar {
  edge: TestEdge;
  key: { private: string; public: string };
  /** Frames of the agent, by type. */
  got: Map<number, number>;
  resets: number[];
  /** Sends frames once the agent has said hello. */
  send(write: (writer: FrameWriter) => void): void;
}

/** @param welcome its first answer. */
async function startLiar(welcome: { identifier: string; url: string }): Promise<Liar> {
  const key = newKey();
  const writer = new FrameWriter();
  let channel: ssh2.ServerChannel | null = null;
  const liar: Liar = {
    edge: null as unknown as TestEdge,
    key,
    got: new Map(),
    resets: [],
    send: (write) => {
      write(writer);
      channel?.write(Buffer.from(writer.take()));
    },
  };
  const decoder = new FrameDecoder({
    frame: (type, _stream, payload) => {
      liar.got.set(type, (liar.got.get(type) ?? 0) + 1);
      if (type === FrameType.RESET) liar.resets.push(payload[0] ?? 0);
      if (type === FrameType.HELLO) liar.send((to) => to.json(FrameType.WELCOME, { ...welcome, holdHours: 36 }));
    },
    data: () => {},
  });
  const clients = new Set<ssh2.Connection>();
  const server = new ssh2.Server({ hostKeys: [key.private], algorithms: { cipher: ["aes128-gcm@openssh.com"] } }, (client) => {
    clients.add(client);
    client.on("error", () => {});
    client.on("authentication", (context) => context.accept());
    client.on("session", (accept) => {
      accept().on("subsystem", (acceptSubsystem) => {
        channel = acceptSubsystem();
        channel.on("data", (chunk: Buffer) => decoder.push(chunk));
        channel.on("error", () => {});
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUp.push(() => {
    server.close();
    for (const client of clients) client.end();
  });
  liar.edge = { sshPort: (server.address() as net.AddressInfo).port, edge: { hostKey: key.public } } as TestEdge;
  return liar;
}

const name = { identifier: "fakefakefa", url: "http://fakefakefa.tunnel.localhost:1" };

async function opened(liar: Liar, port: number): Promise<{ tunnel: RunningTunnel; statuses: unknown[] }> {
  const { tunnel, statuses } = launchTunnel(liar.edge, port);
  cleanUp.push(() => tunnel.close());
  await tunnel.opened;
  return { tunnel, statuses };
}

it.each(["http://127.0.0.1:6022", "http://localhost:6022", "http://otherother.tunnel.localhost:1"])(
  "may not give out %s: nothing is asked there, and the tunnel is closed",
  async (url) => {
    const { tunnel } = launchTunnel((await startLiar({ ...name, url })).edge, 9);
    await expect(tunnel.opened).rejects.toMatchObject({ code: "EDGE_REFUSED", details: { code: "FOREIGN_URL" } });
    expect(tunnel.status()).toMatchObject({ state: "closed", url: null });
  },
);

it("is left, and tried again, when its welcome is none", async () => {
  // 127.0.0.1 with something in front is no host name, and this no URL.
  const { tunnel } = launchTunnel((await startLiar({ ...name, url: "http://fakefakefa.127.0.0.1:1" })).edge, 9);
  cleanUp.push(() => tunnel.close());
  await until("the next attempt", () => tunnel.status().state === "waiting");
  expect(tunnel.status().reason).toBe("SSH_UNREACHABLE");
});

it("is heard once a second, however often it says how much it holds", async () => {
  const liar = await startLiar(name);
  const { tunnel, statuses } = await opened(liar, 9);
  const before = statuses.length;
  for (let round = 0; round < 20; round++) {
    liar.send((writer) => {
      for (let i = 1; i <= 500; i++) {
        writer.json(FrameType.STATUS, { held: { entries: round * 500 + i, bytes: 1, dead: 0, oldest: null } });
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until("the latest", () => tunnel.status().held?.entries === 10_000);
  // One for each second it took, and not one for each of ten thousand.
  expect(statuses.length - before).toBeLessThan(100);
}, 60_000);

it("has no more requests open than an honest one, and none with an endless head", async () => {
  const liar = await startLiar(name);
  const hangs = await startOrigin(() => {});
  cleanUp.push(() => hangs.close());
  const { tunnel } = await opened(liar, hangs.port);
  const head = { method: "POST", target: "/", headers: ["Host", "x"], end: false, upgrade: false, ordered: true, first: false };
  liar.send((writer) => writer.request(1, { ...head, headers: ["Host", "x", "X-Big", "y".repeat(100_000)] }));
  await until("its refusal", () => liar.resets.length === 1);
  for (let id = 2; id < 3_000; id += 100) {
    liar.send((writer) => {
      for (let i = id; i < id + 100; i++) writer.request(i, head);
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until("the refusals", () => liar.resets.length >= 1_900);
  expect(new Set(liar.resets)).toEqual(new Set([ResetCode.REFUSED]));
  expect(liar.resets.length).toBeLessThan(2_100);
  expect(tunnel.status().state).toBe("open");
}, 60_000);

it("is named by its host key on first contact, and not again", async () => {
  const liar = await startLiar(name);
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-lying-"));
  cleanUp.push(() => rm(dir, { recursive: true }));
  const met: string[] = [];
  const change = {
    hostKey: { kind: "pin", file: path.join(dir, "known_edges") },
    onFirstContact: (fingerprint: string) => met.push(fingerprint),
  } as const;
  for (let round = 0; round < 2; round++) {
    const { tunnel } = launchTunnel(liar.edge, 9, change);
    await tunnel.opened;
    await tunnel.close();
  }
  expect(met).toEqual([fingerprintOf(publicKeyBlob(liar.key.public)!)]);
});
