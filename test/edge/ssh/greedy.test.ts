/** What one client can make the edge do for it. */
import type { Socket } from "node:net";
import type { Client, ClientChannel } from "ssh2";
import { afterAll, beforeAll, expect, it } from "vitest";
import { newKey, openEdge, until, type TestEdge } from "../../support/edge.ts";
import { openPair } from "../../support/ssh-pair.ts";
import { login } from "../../support/ssh.ts";

let edge: TestEdge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge.close());

const socketOf = (client: Client) => (client as unknown as { _sock: Socket })._sock;
/** What the edge's kernel and the edge have taken. */
const taken = (socket: Socket) => socket.bytesWritten - socket.writableLength;

/** Until nothing has moved for a second. */
async function settled(measure: () => number): Promise<number> {
  for (let last = -1; ;) {
    const present = measure();
    if (present === last) return present;
    last = present;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

it("a terminal takes no more input than ssh2 opens it for, however much is sent", async () => {
  const client = await login(edge.sshPort, newKey().private);
  const terminal = await new Promise<ClientChannel>((resolve, reject) =>
    client.shell(false, (error, channel) => (error ? reject(error) : resolve(channel))),
  );
  terminal.on("error", () => {});
  const before = taken(socketOf(client));
  const pour = () => {
    while (!terminal.destroyed && terminal.write(Buffer.alloc(32_768, "x"))) if (terminal.writableLength > 16_000_000) return;
  };
  terminal.on("drain", pour);
  pour();
  const poured = (await settled(() => taken(socketOf(client)))) - before;
  expect(poured).toBeLessThan(2.2 * 1024 * 1024);
  client.destroy();
});

it("a client that asks and does not read is not read either, until it does", async () => {
  const pair = await openPair();
  const { socket } = pair.server;
  const queued = () => (socket as Socket & { _writableState: { bufferedRequestCount: number } })._writableState.bufferedRequestCount;
  // The kernel takes nothing more, which on loopback would need megabytes of replies.
  const original = { _write: socket._write.bind(socket), _writev: socket._writev };
  let resume = () => {};
  socket._write = (chunk, encoding, done) => {
    resume = () => original._write(chunk, encoding, done);
  };
  delete (socket as { _writev?: unknown })._writev;
  socket._writev = undefined as never;
  for (let i = 0; i < 20_000; i++) {
    (pair.client.protocol as unknown as { tcpipForward: (host: string, port: number, wantReply: boolean) => void }).tcpipForward(
      "x",
      80,
      true,
    );
  }
  await settled(queued);
  expect(socket.isPaused()).toBe(true);
  expect(queued()).toBeLessThan(3_000);
  const before = socket.bytesRead;
  socket._write = original._write;
  resume();
  await until("everything to be read and answered", () => !socket.isPaused() && queued() === 0 && socket.bytesRead > before);
  await pair.close();
});
