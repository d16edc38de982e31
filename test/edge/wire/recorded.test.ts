/**
 * Old against new: what an agent and an edge of version 1 of the protocol send is kept as bytes (conversation-v1.json), and is understood
 * by today's edge and agent. The bytes never change; a version that cannot be read any more gets a number of its own.
 */
import { readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import ssh2 from "ssh2";
import { expect, it } from "vitest";
import { FrameDecoder, FrameType, decodeResponse } from "../../../edge/wire/frames.ts";
import { ask, launchTunnel, newKey, openEdge, startOrigin, until, type TestEdge } from "../../support/edge.ts";
import { openBareAgent } from "../../support/ssh-agent.ts";

interface Conversation {
  subsystem: string;
  agent: { hello: string; answer: string; goodbye: string };
  edge: { welcome: string; request: string; goodbye: string };
}

const recorded = JSON.parse(readFileSync(path.join(import.meta.dirname, "conversation-v1.json"), "utf8")) as Conversation;
const bytes = (hex: string) => Buffer.from(hex, "hex");

it("an agent of version 1 is welcomed by today's edge, and serves", async () => {
  const edge = await openEdge();
  const agent = await openBareAgent(edge, newKey().private, recorded.subsystem);
  agent.channel.write(bytes(recorded.agent.hello));
  const welcome = JSON.parse((await agent.take(FrameType.WELCOME)).payload.toString()) as Record<string, unknown>;
  expect(welcome).toMatchObject({ identifier: expect.any(String), url: expect.stringContaining("tunnel.localhost"), holdHours: 36 });
  const answer = ask(edge.httpPort, { host: new URL(String(welcome.url)).host });
  expect((await agent.take(FrameType.REQUEST)).stream).toBe(1);
  agent.channel.write(bytes(recorded.agent.answer));
  expect(await answer).toMatchObject({ status: 201, text: "recorded", headers: { "content-type": "text/plain", "x-name": "J\xfcrgen" } });
  agent.channel.write(bytes(recorded.agent.goodbye));
  await until("the edge to know that it goes", () => edge.logs.some((line) => line.endsWith("closed")));
  agent.close();
  await edge.close();
});

it("an edge of version 1 is understood by today's agent, which answers its requests", async () => {
  const key = newKey();
  const seen: string[] = [];
  const got: { type: number; payload: Buffer }[] = [];
  let channel: ssh2.ServerChannel | null = null;
  const decoder = new FrameDecoder({
    frame: (type, _stream, payload) => {
      got.push({ type, payload: Buffer.from(payload) });
      if (type === FrameType.HELLO) channel?.write(bytes(recorded.edge.welcome));
    },
    data: (_stream, payload) => got.push({ type: FrameType.DATA, payload: Buffer.from(payload) }),
  });
  const clients = new Set<ssh2.Connection>();
  const server = new ssh2.Server({ hostKeys: [key.private], algorithms: { cipher: ["aes128-gcm@openssh.com"] } }, (client) => {
    clients.add(client);
    client.on("error", () => {});
    client.on("authentication", (context) => context.accept());
    client.on("session", (accept) => {
      accept().on("subsystem", (acceptSubsystem, _reject, { name }) => {
        expect(name).toBe(recorded.subsystem);
        channel = acceptSubsystem();
        channel.on("data", (chunk: Buffer) => decoder.push(chunk));
        channel.on("error", () => {});
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = await startOrigin((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      seen.push(`${request.method} ${request.url} ${request.headers["x-name"] as string} ${body}`);
      response.statusCode = 202;
      response.end("taken");
    });
  });
  const edge = { sshPort: (server.address() as net.AddressInfo).port, edge: { hostKey: key.public } } as TestEdge;
  const { tunnel, statuses } = launchTunnel(edge, origin.port);
  await tunnel.opened;
  await until("what it holds to be known", () => tunnel.status().held?.entries === 2);
  channel!.write(bytes(recorded.edge.request));
  await until("the answer", () => got.some(({ type }) => type === FrameType.END));
  expect(seen).toEqual(["POST /facebook?a=b J\xfcrgen body"]);
  const head = got.find(({ type }) => type === FrameType.RESPONSE)!;
  expect(decodeResponse(head.payload)).toMatchObject({ status: 202 });
  expect(Buffer.concat(got.filter(({ type }) => type === FrameType.DATA).map(({ payload }) => payload)).toString()).toBe("taken");
  expect(got.some(({ type }) => type === FrameType.PONG)).toBe(true);
  channel!.write(bytes(recorded.edge.goodbye));
  await until("it to come back", () => statuses.some(({ reconnects }) => reconnects > 0));
  await tunnel.close();
  for (const client of clients) client.end();
  server.close();
  await origin.close();
});
