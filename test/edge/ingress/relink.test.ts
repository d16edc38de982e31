/** Requests that are under way when a link dies, and the link that takes its place. */
import net from "node:net";
import { afterEach, expect, it } from "vitest";
import { ask, openEdge, openTunnel, startOrigin, until } from "../../support/edge.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanups.splice(0).toReversed()) await step();
});

/** A line whose near end can break while the far end hears nothing of it, as after sleep or a change of network. */
async function startLine(target: number): Promise<{ port: number; break: () => void }> {
  const near = new Set<net.Socket>();
  const far = new Set<net.Socket>();
  const server = net.createServer((a) => {
    const b = net.connect({ host: "127.0.0.1", port: target });
    near.add(a);
    far.add(b);
    a.on("data", (bytes) => b.write(bytes));
    b.on("data", (bytes) => a.destroyed || a.write(bytes));
    a.on("error", () => {});
    b.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.close();
    for (const socket of [...near, ...far]) socket.destroy();
  });
  return {
    port: (server.address() as net.AddressInfo).port,
    break: () => {
      for (const socket of near) socket.destroy();
    },
  };
}

it("a GET on a dead link is finished on the connection that has taken its place before the edge knew", async () => {
  const edge = await openEdge();
  cleanups.push(() => edge.close());
  const asked: string[] = [];
  const origin = await startOrigin((request, response) => {
    asked.push(request.url!);
    if (request.method === "GET" && asked.length > 2) response.end("second");
  });
  cleanups.push(() => origin.close());
  const line = await startLine(edge.sshPort);
  const { tunnel, host } = await openTunnel(edge, origin.port, { edge: { host: "127.0.0.1", port: line.port } });
  cleanups.push(() => tunnel.close());
  const repeatable = ask(edge.httpPort, { host, path: "/get" });
  const once = ask(edge.httpPort, { host, method: "POST", path: "/post", body: "x" });
  await until("both to be at the service", () => asked.length === 2);
  line.break();
  await until("the tunnel to be back", () => tunnel.status().reconnects === 1);
  expect(await repeatable).toMatchObject({ status: 200, text: "second" });
  expect(await once).toMatchObject({ status: 502, headers: { "airy-error": "TUNNEL_LOST" } });
  expect(asked.filter((path) => path === "/post")).toHaveLength(1);
});
