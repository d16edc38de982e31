/**
 * What Airy's clients rely on, through the gateway of the Core edition: behind it the API is the basic platform, cut into Airy Core's
 * services, each of which answers its own paths alone. And what a client sees of both editions at their edge.
 */
import { createServer, request, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { coreServices } from "../../../cli/platform/compose/core/profiles.ts";
import { clientChecks } from "../basic/client-checks.ts";
import { startTestPlatform, type Front, type TestPlatform } from "../basic/fixture.ts";
import { GATE_TOKEN, hasNginx, startGateway } from "../../support/gateway.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";

const profiles = ["facebook", "contacts"] as const;

/** Which paths the service answers: its controllers at Airy Core 0.56.0. */
const controllers: Readonly<Record<string, RegExp>> = {
  "api-communication": /^\/(conversations\.(?!mark-read)|messages\.|metadata\.upsert$)/,
  "unread-counter": /^\/conversations\.mark-read$/,
  "api-admin": /^\/(client\.config$|users\.|tags\.|templates\.|webhooks\.|channels\.(list|info|update)$)/,
  "api-contacts": /^\/contacts\./,
  "api-websocket": /^\/ws\.communication$/,
  "sources-facebook-connector": /^\/(facebook$|channels\.(facebook|instagram)\.)/,
};

/** One of the services: hands its own paths on to the platform as they came, and knows no others. */
async function startService(name: string, platform: number): Promise<Server> {
  const own = controllers[name] ?? /^$/;
  const server = createServer((req, res) => {
    if (!own.test((req.url ?? "").split("?")[0] ?? "")) return res.writeHead(404).end(`${name} has no ${req.url}`);
    const onward = request({ host: "127.0.0.1", port: platform, method: req.method, path: req.url, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    onward.on("error", () => res.destroy());
    return req.pipe(onward);
  });
  server.on("upgrade", (req, socket) => {
    if (!own.test(req.url ?? "")) return socket.destroy();
    const onward = connect(platform, "127.0.0.1", () => {
      const headers = Array.from({ length: req.rawHeaders.length / 2 }, (_, i) => `${req.rawHeaders[2 * i]}: ${req.rawHeaders[2 * i + 1]}`);
      onward.write(`${req.method} ${req.url} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
      onward.pipe(socket).pipe(onward);
    });
    for (const one of [onward, socket]) one.on("error", () => (onward.destroy(), socket.destroy()));
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function behindGateway(platform: number): Promise<Front> {
  const upstreams = new Map<string, string>();
  const servers: Server[] = [];
  for (const [name, { probe }] of coreServices(profiles)) {
    if (!probe) continue;
    const server = await startService(name, platform);
    servers.push(server);
    upstreams.set(name, `127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
  const gateway = await startGateway(profiles, upstreams, { origins });
  return {
    port: gateway.main,
    deliveryHeaders: { "airy-gate": GATE_TOKEN },
    async close() {
      await gateway.close();
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

const origins = ["http://*.ours.example"];

describe.skipIf(!hasNginx)("through the gateway", () => clientChecks((databaseUrl) => startTestPlatform(databaseUrl, {}, behindGateway)));

describe.skipIf(!hasNginx)("both editions answer a client alike at their edge", () => {
  let postgres: TestPostgres;
  let editions: TestPlatform[] = [];

  beforeAll(async () => {
    postgres = await startPostgres({ sync: false });
    const allowedOrigins = origins;
    editions = [
      await startTestPlatform(await postgres.createDatabase(), { allowedOrigins }),
      await startTestPlatform(await postgres.createDatabase(), { allowedOrigins }, behindGateway),
    ];
  });
  afterAll(async () => {
    for (const edition of editions) await edition.close();
    await postgres.close();
  });

  const calls = ["/channels.list", "/conversations.list", "/components.get", "/components.list"];
  const own = (platform: TestPlatform): string => `127.0.0.1:${platform.port}`;
  /** What is sent, and whether it is let in. */
  const senders: [string, (platform: TestPlatform) => Record<string, string>, boolean][] = [
    ["no page at all", () => ({}), true],
    ["the platform's own page", (platform) => ({ host: own(platform), origin: `http://${own(platform)}` }), true],
    ["its own page, forwarded over https", (platform) => ({ host: own(platform), origin: `https://${own(platform)}` }), true],
    ["it by name", (platform) => ({ host: `LocalHost:${platform.port}`, origin: `http://localhost:${platform.port}` }), true],
    ["it by IPv6 address", () => ({ host: "[::1]:4200" }), true],
    ["a page that the configuration allows", () => ({ origin: "http://shop.ours.example" }), true],
    ["a page of another local port", () => ({ host: "localhost:4200", origin: "http://localhost:4201" }), false],
    ["a page of another local name", (platform) => ({ host: own(platform), origin: `http://localhost:${platform.port}` }), false],
    ["a foreign page", () => ({ origin: "https://evil.example" }), false],
    ["a lookalike of an allowed page", () => ({ origin: "http://shop.ours.example.evil.example" }), false],
    ["a sandboxed page", () => ({ origin: "null" }), false],
    ["a name that leads here", () => ({ host: "evil.example:4200" }), false],
    ["that name with its own page", () => ({ host: "evil.example", origin: "http://evil.example" }), false],
    ["the public name", () => ({ host: "shop.tunnel.example", "x-forwarded-host": "localhost" }), false],
  ];

  test.each(senders)("%s", async (_, headersFor, allowed) => {
    for (const path of calls) {
      const answers = await Promise.all(editions.map((one) => one.request("POST", path, "{}", headersFor(one))));
      const [basic, core] = answers.map(({ status, headers, json }) => ({
        status,
        type: headers["content-type"]?.split(";")[0],
        origin: headers["access-control-allow-origin"],
        credentials: headers["access-control-allow-credentials"],
        message: json.message,
      }));
      expect(basic?.status, path).toBe(allowed ? 200 : 403);
      expect([path, core]).toEqual([path, basic]);
    }
    const sockets = await Promise.all(editions.map((one) => upgraded(one, headersFor(one))));
    expect(sockets).toEqual(allowed ? [101, 101] : [403, 403]);
  });

  test("a browser asks first, and is told the same", async () => {
    const asked = { "access-control-request-method": "POST", "access-control-request-headers": "content-type,authorization" };
    for (const origin of ["http://shop.ours.example", "https://evil.example"]) {
      for (const path of calls) {
        const answers = await Promise.all(editions.map((one) => one.request("OPTIONS", path, undefined, { ...asked, origin })));
        const [basic, core] = answers.map(({ status, headers }) => [
          status,
          ...["origin", "credentials", "methods", "headers"].map((name) => headers[`access-control-allow-${name}`]),
        ]);
        expect([path, core]).toEqual([path, basic]);
      }
    }
  });

  test("a path that there is not is the same to both", async () => {
    for (const path of ["/no.such.path", "/actuator/health", "/conversations.list/../actuator/env", "/llm.query", "/streams.list"]) {
      const [basic, core] = await Promise.all(editions.map((one) => one.request("POST", path, "{}")));
      expect([path, core?.status, core?.text]).toEqual([path, basic?.status, basic?.text]);
      expect(core?.status).toBe(404);
    }
  });
});

/** Status of the answer to an upgrade. */
function upgraded(platform: TestPlatform, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${platform.port}/ws.communication`, { headers });
  return new Promise((resolve, reject) => {
    socket.on("open", () => (socket.terminate(), resolve(101)));
    socket.on("unexpected-response", (req, res) => (req.destroy(), resolve(res.statusCode ?? 0)));
    socket.on("error", reject);
  });
}
