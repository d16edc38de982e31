/** A client that speaks the agent's protocol frame by frame: to be slow, wrong or hostile on purpose. */
import type { Client, ClientChannel } from "ssh2";
import { FrameDecoder, FrameType, FrameWriter, SUBSYSTEM } from "../../edge/wire/frames.ts";
import { newKey, until, type TestEdge } from "./edge.ts";
import { login } from "./ssh.ts";

export interface BareAgent {
  client: Client;
  channel: ClientChannel;
  writer: FrameWriter;
  /** Frames that have come; DATA pieces as they came. */
  frames: { type: number; stream: number; payload: Buffer }[];
  host: string;
  closed: boolean;
  /** Sends what was written. */
  send(write?: (writer: FrameWriter) => void): void;
  /** The first frame of this type that has not been taken yet; its stream. */
  take(type: number): Promise<{ stream: number; payload: Buffer }>;
  close(): void;
}

export async function openBareAgent(edge: TestEdge, privateKey = newKey().private, subsystem = SUBSYSTEM): Promise<BareAgent> {
  const client = await login(edge.sshPort, privateKey);
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.subsys(subsystem, (error, opened) => (error ? reject(error) : resolve(opened)));
  });
  const agent: BareAgent = {
    client,
    channel,
    writer: new FrameWriter(),
    frames: [],
    host: "",
    closed: false,
    send: (write) => {
      write?.(agent.writer);
      channel.write(Buffer.from(agent.writer.take()));
    },
    take: async (type) => {
      let found = -1;
      await until(`a frame of type ${type}`, () => (found = agent.frames.findIndex((frame) => frame.type === type)) >= 0 || agent.closed);
      const frame = agent.frames.splice(found, 1)[0];
      if (!frame) throw new Error(`closed while waiting for a frame of type ${type}`);
      return frame;
    },
    close: () => client.end(),
  };
  client.on("close", () => (agent.closed = true));
  const decoder = new FrameDecoder({
    frame: (type, stream, payload) => agent.frames.push({ type, stream, payload: Buffer.from(payload) }),
    data: (stream, payload) => agent.frames.push({ type: FrameType.DATA, stream, payload: Buffer.from(payload) }),
  });
  channel.on("data", (chunk: Buffer) => decoder.push(chunk));
  channel.on("error", () => {});
  return agent;
}

/** One that has said hello and was welcomed. */
export async function openWelcomedAgent(edge: TestEdge, privateKey = newKey().private): Promise<BareAgent> {
  const agent = await openBareAgent(edge, privateKey);
  agent.send((writer) => writer.json(FrameType.HELLO, { agent: "bare", instance: String(Math.random()) }));
  const { payload } = await agent.take(FrameType.WELCOME);
  agent.host = new URL((JSON.parse(payload.toString()) as { url: string }).url).host;
  return agent;
}
