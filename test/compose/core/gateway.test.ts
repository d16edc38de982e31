/** The gateway's configuration in a real nginx: where each path leads, what is refused, and what the services behind it are told. */
import { createServer, request, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { profileNames } from "../../../cli/config/core.ts";
import { coreServices } from "../../../cli/platform/compose/core/profiles.ts";
import { GATE_TOKEN, hasNginx, startGateway, type Gateway } from "../../support/gateway.ts";
import { freePorts } from "../../cli/platform/compose/spec.ts";

interface Seen {
  service: string;
  url: string;
  method: string;
  headers: IncomingHttpHeaders;
  body: string;
}

let gateway: Gateway | undefined;
let main: number;
let health: number;
let controller: number;
const servers: Server[] = [];

async function listen(service: string): Promise<string> {
  const server = createServer((req, res) => {
    let body = "";
    req.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    req.on("end", () => {
      if (req.url === "/actuator/health") return res.writeHead(200).end(JSON.stringify({ status: "UP", service }));
      const seen: Seen = { service, url: req.url ?? "", method: req.method ?? "", headers: req.headers, body };
      return res.setHeader("content-type", "application/json").end(JSON.stringify(seen));
    });
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, req) => socket.on("message", (text) => socket.send(`${service} ${req.url} ${String(text)}`)));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function call(
  target: string,
  options: { port?: number; method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; text: string; seen: Seen | null }> {
  const { port = main, method = "POST", headers = {}, body = "" } = options;
  return new Promise((resolve, reject) => {
    const req = request({ host: "127.0.0.1", port, method, path: target, headers: { host: `localhost:${port}`, ...headers } }, (res) => {
      let text = "";
      res.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      res.on("end", () => {
        const isJson = text.startsWith('{"service":');
        resolve({ status: res.statusCode ?? 0, text, seen: isJson ? (JSON.parse(text) as Seen) : null });
      });
    });
    req.on("error", reject).end(method === "GET" ? undefined : body);
  });
}

describe.skipIf(!hasNginx)("the gateway", () => {
  beforeAll(async () => {
    const upstreams = new Map<string, string>();
    for (const [name, { probe }] of coreServices(profileNames)) {
      if (probe && name !== "api-contacts" && name !== "schema-registry") upstreams.set(name, await listen(name));
    }
    const [absent = 0] = await freePorts(1);
    for (const name of ["api-contacts", "schema-registry"]) upstreams.set(name, `127.0.0.1:${absent}`);
    gateway = await startGateway(profileNames, upstreams, { hosts: ["name-4200.app.github.dev"], origins: ["http://localhost:3*"] });
    ({ main, health, controller } = gateway);
  }, 60_000);

  afterAll(async () => {
    await gateway?.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  test.each([
    ["/conversations.list", "api-communication"],
    ["/conversations.mark-read", "unread-counter"],
    ["/Conversations.Mark-Read", "unread-counter"],
    ["/messages.send", "api-communication"],
    ["/metadata.upsert", "api-communication"],
    ["/client.config", "api-admin"],
    ["/users.list", "api-admin"],
    ["/tags.create", "api-admin"],
    ["/templates.list", "api-admin"],
    ["/webhooks.subscribe", "api-admin"],
    ["/channels.list", "api-admin"],
    ["/channels.info", "api-admin"],
    ["/channels.update", "api-admin"],
    ["/channels.chatplugin.connect", "api-admin"],
    ["/channels.facebook.connect", "sources-facebook-connector"],
    ["/channels.instagram.connect", "sources-facebook-connector"],
    ["/channels.whatsapp.connect", "sources-whatsapp-connector"],
    ["/channels.twilio.sms.connect", "sources-twilio-connector"],
    ["/channels.viber.connect", "sources-viber-connector"],
    ["/chatplugin.authenticate", "sources-chatplugin"],
    ["/kafka/topics", "api-admin"],
    ["/login", "api-admin"],
    ["/logout", "api-admin"],
    ["/oauth/callback?code=1", "api-admin"],
  ])("%s leads to %s, as it came", async (target, service) => {
    const { seen } = await call(target, { body: '{"a":"ü"}' });
    expect(seen).toMatchObject({ service, url: target, method: "POST", body: '{"a":"ü"}' });
  });

  test.each([
    ["/", "frontend-control-center", "/start.html"],
    ["/ui/anything", "frontend-control-center", "/start.html"],
    ["/inbox", "frontend-inbox", "/"],
    ["/inbox/", "frontend-inbox", "/"],
    ["/inbox/assets/a%20b.js?v=1", "frontend-inbox", "/assets/a%20b.js?v=1"],
    ["/control-center/connectors", "frontend-control-center", "/connectors"],
    ["/chatplugin/ui/s.js", "frontend-chat-plugin", "/s.js"],
  ])("the page %s is %s's %s", async (target, service, url) => {
    expect((await call(target, { method: "GET" })).seen).toMatchObject({ service, url });
  });

  test.each([
    "/actuator/health",
    "/ACTUATOR/prometheus",
    "/conversations/../actuator/env",
    "/conversations/%2e%2e/actuator/env",
    "/conversations/..;/actuator/env",
    "/conversations/..;a=b/%61ctuator/env",
    "/conversations/x;/../../actuator",
    "//actuator/health",
    "/./actuator/health",
    "/inbox/actuator/health",
    "/control-center/../actuator/health",
    "/conversations/%252e%252e/actuator/env",
    "/conversations\\..\\actuator",
    "/nothing",
    "/media.upload",
    "/streams.list",
  ])("%s is no path", async (target) => {
    const { status, seen } = await call(target, { method: "GET" });
    expect(seen).toBeNull();
    expect([400, 404]).toContain(status);
  });

  test("the API is told the name, port and scheme that the client used", async () => {
    const { seen } = await call("/client.config", { headers: { host: "localhost:4200", origin: "http://localhost:4200" } });
    expect(seen?.headers).toMatchObject({
      host: "localhost:4200",
      "x-forwarded-host": "localhost:4200",
      "x-forwarded-proto": "http",
      origin: "http://localhost:4200",
    });
    const forwarded = {
      host: "name-4200.app.github.dev",
      "x-forwarded-proto": "https",
      forwarded: "host=evil.example",
      "x-forwarded-host": "evil.example",
      "x-forwarded-port": "1",
    };
    const { seen: outside } = await call("/client.config", { headers: forwarded });
    expect(outside?.headers).toMatchObject({
      host: "name-4200.app.github.dev",
      "x-forwarded-host": "name-4200.app.github.dev",
      "x-forwarded-proto": "https",
    });
    expect(outside?.headers).not.toHaveProperty("forwarded");
    expect(outside?.headers).not.toHaveProperty("x-forwarded-port");
  });

  test("a page from elsewhere does not get at the API under a name that leads here", async () => {
    for (const host of ["evil.example", "evil.example:4200", "localhost.evil.example", "abc.tunnel.airy.co", "127.0.0.1.evil.example"]) {
      const { status, seen } = await call("/channels.list", { headers: { host, "airy-gate": GATE_TOKEN } });
      expect([status, seen]).toEqual([403, null]);
    }
    expect((await call("/channels.list", { headers: { host: "[::1]:4200" } })).seen?.service).toBe("api-admin");
  });

  test.each(["/facebook", "/whatsapp", "/twilio/sms", "/viber", "/Facebook"])(
    "%s takes only what came through the tunnel",
    async (target) => {
      const host = "abc.tunnel.airy.co";
      for (const headers of [{}, { host }, { host, "airy-gate": "wrong" }, { "airy-gate": "" }] as Record<string, string>[]) {
        const { status, seen } = await call(target, { headers });
        expect([status, seen]).toEqual([403, null]);
      }
      const { seen } = await call(`${target}?a=1`, {
        headers: { host, "x-forwarded-proto": "https", "airy-gate": GATE_TOKEN },
        body: "From=%2B1&Body=a+b",
      });
      // Twilio signs the whole public URL and the parameters: all of it arrives as it was.
      expect(seen).toMatchObject({ url: `${target}?a=1`, body: "From=%2B1&Body=a+b", headers: { host, "x-forwarded-proto": "https" } });
      expect(seen?.headers).not.toHaveProperty("airy-gate");
    },
  );

  test("STOMP's connection is upgraded and stays", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${main}/ws.communication`, { headers: { host: `localhost:${main}` } });
    await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
    const answer = new Promise((resolve) => socket.on("message", (text) => resolve(String(text))));
    socket.send("hello");
    expect(await answer).toBe("api-websocket /ws.communication hello");
    socket.close();
  });

  test("controller and installer answer in the shapes that api-admin and the control center read", async () => {
    const { services } = JSON.parse((await call("/services", { port: controller, method: "GET" })).text) as {
      services: Record<string, object>;
    };
    expect(services["webhook-consumer"]).toEqual({ enabled: true, component: "integration-webhook" });
    expect(services["sources-facebook-events-router"]).toEqual({ enabled: true, component: "sources-facebook" });
    expect(services).not.toHaveProperty("kafka");
    const list = JSON.parse((await call("/components.list", { body: "{}" })).text) as { components: Record<string, object> };
    expect(list.components["sources-facebook"]).toMatchObject({
      name: "sources-facebook",
      installationStatus: "installed",
      isChannel: "true",
      configurationValues: "{}",
    });
    const get = JSON.parse((await call("/components.get")).text) as { components: Record<string, object> };
    expect(Object.keys(get.components)).toEqual(expect.arrayContaining(Object.keys(list.components)));
    expect(JSON.parse((await call("/components.update", { body: '{"components":[]}' })).text)).toEqual({ components: {} });
    expect(await call("/components.install", { body: '{"name":"x"}' })).toMatchObject({ status: 202, text: "" });
    expect(await call("/components.uninstall")).toMatchObject({ status: 202, text: "" });
    expect(JSON.parse((await call("/cluster.update")).text)).toEqual({ cluster_config: { security: true, kafka: true } });
  });

  test("how each service is can be asked on the other port alone; one that is not there costs its own requests", async () => {
    expect(JSON.parse((await call("/api-admin", { port: health, method: "GET" })).text)).toEqual({ status: "UP", service: "api-admin" });
    expect((await call("/api-contacts", { port: health, method: "GET" })).status).toBe(502);
    expect(await call("/contacts.list")).toMatchObject({ status: 503, text: '{"message":"api-contacts does not answer"}' });
    expect((await call("/kafka", { port: health, method: "GET" })).status).toBe(404);
  });
});
