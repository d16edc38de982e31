/** What a client may do again and again without the edge's memory growing, and who gets in while others keep the door busy. */
import { once } from "node:events";
import net from "node:net";
import type { Client } from "ssh2";
import { expect, it } from "vitest";
import type { SshServerOptions } from "../../../edge/ssh/options.ts";
import { startSshServer } from "../../../edge/ssh/server.ts";
import { SUBSYSTEM } from "../../../edge/wire/frames.ts";
import { newKey, until } from "../../support/edge.ts";
import { login } from "../../support/ssh.ts";
import { DEFAULT_LIMITS } from "../../../edge/limits.ts";
import { Trust } from "../../../edge/peers/trust.ts";

async function serve(change: Partial<SshServerOptions> = {}) {
  const opened: string[] = [];
  const server = await startSshServer({
    host: "127.0.0.1",
    port: 0,
    hostKey: newKey().private,
    limits: () => DEFAULT_LIMITS,
    trust: new Trust([]),
    onRefused: () => {},
    allowed: () => true,
    nameFor: async () => ({ name: "somebody", leave: () => {} }),
    urlOf: (name) => `http://${name}`,
    nameAsked: () => null,
    urlOfKey: () => null,
    prepare: async () => 0,
    announce: async () => {},
    onTunnel: ({ name }) => opened.push(name),
    onTunnelClosed: () => {},
    onCall: async () => null,
    log: () => {},
    ...change,
  });
  return Object.assign(server, { opened });
}

const closeOf = (client: Client) => new Promise<void>((resolve) => client.on("close", () => resolve()));

it("when all places are taken by connections that do not log in, the oldest of them makes room", async () => {
  const server = await serve({ limits: () => ({ ...DEFAULT_LIMITS, "ssh-logins": 5 }) });
  const closed: number[] = [];
  const silent: net.Socket[] = [];
  for (let i = 0; i < 5; i++) {
    const socket = net.connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.on("close", () => closed.push(i));
    await once(socket, "data"); // the server's greeting
    silent.push(socket);
  }
  expect(server.unauthenticated()).toBe(5);
  const client = await login(server.port, newKey().private);
  await until("the oldest to be let go", () => closed.length > 0);
  expect(closed).toEqual([0]);
  expect(server.unauthenticated()).toBe(4);
  client.end();
  for (const socket of silent) socket.destroy();
  server.close();
});

it("a client that opens session after session is let go", async () => {
  const server = await serve();
  const client = await login(server.port, newKey().private);
  const closed = closeOf(client);
  const { _protocol } = client as unknown as { _protocol: { session(channel: number, window: number, packet: number): void } };
  for (let i = 0; i < 40; i++) _protocol.session(i, 1_000_000, 32_000);
  await closed;
  server.close();
});

it("a connection carries one agent", async () => {
  const server = await serve();
  const client = await login(server.port, newKey().private);
  const agent = () => new Promise<Error | null>((resolve) => client.subsys(SUBSYSTEM, (error) => resolve(error ?? null)));
  expect(await agent()).toBeNull();
  expect(await agent()).toBeInstanceOf(Error);
  client.end();
  server.close();
});

it("a client that forwards and cancels again and again is refused in the end", async () => {
  const server = await serve();
  const client = await login(server.port, newKey().private);
  const done = (start: (settle: (error?: Error | null) => void) => void) =>
    new Promise<boolean>((resolve) => start((error?: Error | null) => resolve(!error)));
  let rounds = 0;
  while (rounds < 50 && (await done((settle) => client.forwardIn("localhost", 80, settle)))) {
    rounds += 1;
    expect(await done((settle) => client.unforwardIn("localhost", 80, settle))).toBe(true);
  }
  expect(rounds).toBe(32);
  expect(server.opened).toHaveLength(32);
  client.end();
  server.close();
});
