/** Whole answers over long, slow and broken lines, by our agent and by OpenSSH's client. */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ask, launchTunnel, newKey, openEdge, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";
import { startRelay, type Relay, type RelayOptions } from "../../support/relay.ts";
import { established } from "../../support/ssh-pair.ts";
import { openSsh, writeKey, type KeyFile } from "../../support/ssh.ts";

const body = randomBytes(20_000_000);
const sha = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const digest = sha(body);

let edge: TestEdge;
let origin: Origin;
let key: KeyFile;
let relay: Relay | null = null;
let stop: () => Promise<void> = async () => {};
beforeAll(async () => {
  edge = await openEdge();
  origin = await startOrigin((request, response) => {
    if (request.method === "POST") {
      const hash = createHash("sha256");
      request.on("data", (chunk: Buffer) => hash.update(chunk));
      request.on("end", () => response.end(hash.digest("hex")));
    } else if (request.url === "/hang") response.write("x");
    else if (request.url === "/small") response.end("small");
    else response.writeHead(200, { Connection: "close" }).end(body);
  });
});
afterAll(async () => {
  await edge.close();
  await origin.close();
});
beforeEach(async () => {
  key = await writeKey();
});
afterEach(async () => {
  await stop();
  await relay?.close();
  await key.remove();
});

const clients: [string, (line: Omit<RelayOptions, "target">) => Promise<string>][] = [
  [
    "our agent",
    async (line) => {
      relay = await startRelay({ target: () => ({ host: "127.0.0.1", port: edge.sshPort }), ...line });
      const { tunnel } = launchTunnel(edge, origin.port, {
        edge: { host: "127.0.0.1", port: relay.port },
        identity: key.private,
      });
      stop = () => tunnel.close();
      const { url } = await tunnel.opened;
      return new URL(url!).host;
    },
  ],
  [
    "OpenSSH -R",
    async (line) => {
      relay = await startRelay({ target: () => ({ host: "127.0.0.1", port: edge.sshPort }), ...line });
      const ssh = openSsh(relay.port, key, ["-R", `80:127.0.0.1:${origin.port}`]);
      stop = () => ssh.stop();
      const [, host] = await ssh.wrote(/http:\/\/(\S+)/);
      return host!;
    },
  ],
];

describe.each(clients)("%s", (_name, connect) => {
  it("20 MB answers of a server that closes its connections arrive whole at 20 ms round trip, 5 of 5", async () => {
    const host = await connect({ roundTrip: 20 });
    for (let i = 0; i < 5; i++) {
      const answer = await ask(edge.httpPort, { host });
      expect(answer.body.length).toBe(body.length);
      expect(sha(answer.body)).toBe(digest);
    }
  }, 90_000);

  it("20 MB uploads arrive whole at 20 ms round trip", async () => {
    const host = await connect({ roundTrip: 20 });
    expect((await ask(edge.httpPort, { host, method: "POST", body })).text).toBe(digest);
  }, 60_000);

  it("an answer and an upload survive a slow line", async () => {
    const host = await connect({ rate: 400_000, roundTrip: 60 });
    const part = body.subarray(0, 2_500_000);
    edge.logs.length = 0;
    expect((await ask(edge.httpPort, { host, method: "POST", body: part })).text).toBe(sha(part));
    expect(edge.logs.filter((line) => / (lost|closed)$/.test(line))).toEqual([]);
  }, 60_000);

  it("a black hole: requests under way are answered, the route and the socket are gone in seconds, and it comes back", async () => {
    const host = await connect({});
    expect((await ask(edge.httpPort, { host, path: "/small" })).text).toBe("small");
    expect(await established(edge.sshPort)).toBe(1);
    edge.logs.length = 0;
    relay!.hole(true);
    const late = ask(edge.httpPort, { host, method: "POST", path: "/small", body: "y" });
    await until("the edge to notice", () => edge.logs.some((line) => line.endsWith(" lost")), 6_000);
    expect((await late).headers["airy-error"]).toBe("TUNNEL_LOST");
    expect(await established(edge.sshPort)).toBe(0);
    relay!.hole(false);
  }, 30_000);
});

it("our agent notices a black hole as soon, says so, and is back under the same URL when it heals", async () => {
  relay = await startRelay({ target: () => ({ host: "127.0.0.1", port: edge.sshPort }) });
  const { tunnel, statuses } = launchTunnel(edge, origin.port, {
    edge: { host: "127.0.0.1", port: relay.port },
    identity: newKey().private,
  });
  stop = () => tunnel.close();
  const { url } = await tunnel.opened;
  const { host } = new URL(url!);
  expect((await ask(edge.httpPort, { host, path: "/small" })).text).toBe("small");
  relay.hole(true);
  await until("the agent to notice", () => tunnel.status().state !== "open", 6_000);
  relay.hole(false);
  await until("the agent to be back", () => tunnel.status().state === "open", 15_000);
  expect(tunnel.status().url).toBe(url);
  expect(tunnel.status().reconnects).toBe(1);
  expect((await ask(edge.httpPort, { host, path: "/small" })).text).toBe("small");
  expect(statuses.map(({ state }) => state)).toContain("waiting");
}, 40_000);

it("a GET that was under way when the line broke is finished on the next connection", async () => {
  relay = await startRelay({ target: () => ({ host: "127.0.0.1", port: edge.sshPort }) });
  let hold = true;
  const slow = await startOrigin((_request, response) => {
    if (!hold) response.end("finished");
  });
  const { tunnel } = launchTunnel(edge, slow.port, { edge: { host: "127.0.0.1", port: relay.port } });
  stop = async () => {
    await tunnel.close();
    await slow.close();
  };
  const { host } = new URL((await tunnel.opened).url!);
  const asked = new Promise((resolve) => slow.server.once("request", resolve));
  const answer = ask(edge.httpPort, { host });
  await asked;
  hold = false;
  relay.cut();
  expect((await answer).text).toBe("finished");
});
