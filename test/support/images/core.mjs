// Stands in for every image of Airy Core in tests; ROLE says for which. It is as strict as the real ones are known to be: it does not start
// without its variables or with those that break Airy, has its health on the real path and port, and its streams die without topics.
import { createHash, createHmac } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";

const { ROLE: role = "", VERSION: version = "", ...env } = process.env;
const args = process.argv.slice(2);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function die(reason) {
  console.error(reason);
  process.exit(1);
}

function need(...names) {
  for (const name of names) if (!env[name]) die(`Could not resolve placeholder '${name}'`);
}

process.on("SIGTERM", () => process.exit(0));

/** One line of JSON to the broker, one back. */
function ask(question, address = env.KAFKA_BROKERS ?? "") {
  const [host, port] = address.split(":");
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: Number(port) }, () => socket.write(`${JSON.stringify(question)}\n`));
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
      if (!text.endsWith("\n")) return;
      socket.destroy();
      resolve(JSON.parse(text));
    });
    socket.on("error", reject);
    socket.setTimeout(5000, () => socket.destroy(new Error("timeout")));
  });
}

function lineServer(port, answer) {
  const server = net.createServer((socket) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end < 0) return;
      socket.end(`${JSON.stringify(answer(JSON.parse(text.slice(0, end))))}\n`);
    });
  });
  server.listen(port);
}

// --- the broker, and what it stands on ------------------------------------------------------------------------------------------------

function asKafkaUser(dir) {
  process.setgid(1000);
  process.setuid(1000);
  try {
    mkdirSync(dir, { recursive: true });
    appendFileSync(`${dir}/started`, "");
  } catch (error) {
    die(`java.nio.file.AccessDeniedException: ${error.message}`);
  }
}

function zookeeper() {
  need("POD_NAME", "ZOOKEEPER_SERVERS");
  if (!/-\d+$/.test(env.POD_NAME)) die("Failed to parse name and ordinal of Pod");
  asKafkaUser("/var/lib/zookeeper/data");
  lineServer(2181, () => ({ ok: true }));
}

async function kafka() {
  need(
    "POD_NAME",
    "POD_NAMESPACE",
    "HOST_IP",
    "AIRY_LISTENERS",
    "AIRY_ADVERTISED_LISTENERS",
    "AIRY_FIRST_LISTENER_PORT",
    "KAFKA_ZOOKEEPER_CONNECT",
  );
  if (env.KAFKA_LOG_RETENTION_HOURS !== "-1") die("messages would be deleted");
  asKafkaUser("/opt/kafka/data-0/logs");
  const file = "/opt/kafka/data-0/logs/topics.json";
  const topics = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const save = () => writeFileSync(file, JSON.stringify(topics));
  for (let tries = 0; ; tries++) {
    if (await ask({}, env.KAFKA_ZOOKEEPER_CONNECT).catch(() => null)) break;
    if (tries > 120) die("ZooKeeperClientTimeoutException");
    await sleep(500);
  }
  lineServer(9092, ({ list, create, config, partitions, produce, value, fetch }) => {
    if (list) return { topics: Object.keys(topics) };
    if (create) {
      topics[create] ??= { config, partitions, records: [] };
      save();
      return { ok: true };
    }
    if (!topics[produce ?? fetch]) return { error: "UNKNOWN_TOPIC_OR_PARTITION" };
    if (fetch) return topics[fetch];
    topics[produce].records.push(value);
    save();
    return { ok: true };
  });
}

async function kafkaTopics() {
  const values = (name) => args.flatMap((arg, i) => (arg === name ? [args[i + 1]] : []));
  const [broker] = values("--bootstrap-server");
  try {
    if (args.includes("--list")) return console.log((await ask({ list: true }, broker)).topics.join("\n"));
    const [create] = values("--topic");
    await ask({ create, partitions: Number(values("--partitions")[0]), config: values("--config") }, broker);
    console.log(`Created topic ${create}.`);
  } catch (error) {
    die(`TimeoutException: ${error.message}`);
  }
}

async function schemaRegistry() {
  if (args.join(" ") !== "/opt/karapace/start.sh registry") die(`no such command: ${args.join(" ")}`);
  need("KARAPACE_BOOTSTRAP_URI", "KARAPACE_PORT");
  await ask({ list: true }, env.KARAPACE_BOOTSTRAP_URI).catch(() => die("NoBrokersAvailable"));
  http.createServer((request, response) => response.writeHead(request.url === "/subjects" ? 200 : 404).end("[]")).listen(8081);
}

// --- Spring ----------------------------------------------------------------------------------------------------------------------------

/** Topics that a Streams app reads, by role. */
const inputs = {
  "sources/facebook-events-router": ["source.facebook.events"],
  "webhook/publisher": ["application.communication.webhooks-v0.29.0"],
};

async function spring(handle) {
  need("KAFKA_BROKERS", "KAFKA_SCHEMA_REGISTRY_URL");
  for (const name of ["AUTH_JAAS", "KAFKA_KEY_TRUST_SECRET", "AIRY_CORE_NAMESPACE"])
    if (env[name] !== undefined) die(`SSL: ${name} is set`);
  for (const name of ["systemToken", "jwtSecret"]) if (env[name] === "") die(`${name} is there and empty`);
  if (!/-Xmx\d+m/.test(env.JAVA_TOOL_OPTIONS ?? "")) die("OutOfMemoryError: the heap would be a quarter of the host");
  console.log(`Picked up JAVA_TOOL_OPTIONS: ${env.JAVA_TOOL_OPTIONS}`);
  let up = false;
  const server = http.createServer(async (request, response) => {
    if (request.url === "/actuator/health") return response.writeHead(up ? 200 : 503).end(JSON.stringify({ status: up ? "UP" : "DOWN" }));
    if (request.url.startsWith("/actuator")) return response.writeHead(200).end("secrets");
    if (!signedIn(request))
      return response.writeHead(403, { "content-type": "application/json" }).end('{"status":403,"error":"Forbidden"}');
    if (!originAllowed(request)) return response.writeHead(403).end("Invalid CORS request");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const answer = await handle?.({ request, url: new URL(request.url, "http://x"), body: Buffer.concat(chunks) });
    if (!answer) return response.writeHead(404).end();
    const { status = 200, text, json } = answer;
    const own = request.headers.origin
      ? { "access-control-allow-origin": request.headers.origin, "access-control-allow-credentials": "true" }
      : {};
    response.writeHead(status, { ...own, "content-type": json === undefined ? "text/plain" : "application/json" });
    response.end(json === undefined ? (text ?? "") : JSON.stringify(json));
  });
  if (role === "api/websocket") server.on("upgrade", upgrade);
  server.listen(Number(env.SERVER_PORT ?? 8080));
  const wanted = inputs[role] ?? ["application.communication.messages"];
  const { topics } = await ask({ list: true }).catch(() => die("TimeoutException: no broker"));
  const missing = wanted.filter((topic) => !topics.includes(topic));
  if (missing.length > 0) {
    console.error(
      `org.apache.kafka.streams.errors.MissingSourceTopicException: One or more source topics were missing during rebalance ${missing}`,
    );
    return; // the process stays, dead
  }
  up = true;
  console.log("State transition from REBALANCING to RUNNING");
}

/** As Spring decides: the request's own origin (by Host and X-Forwarded-Proto), or one of allowedOrigins. */
function originAllowed({ headers }) {
  const { origin } = headers;
  if (!origin) return true;
  const own = `${headers["x-forwarded-proto"] ?? "http"}://${headers["x-forwarded-host"] ?? headers.host}`;
  return origin === own || (env.allowedOrigins ?? "").split(",").some((one) => one === "*" || one === origin);
}

/** The login is on where both are there; webhooks, login and health are open then, too. */
function signedIn({ headers, url }) {
  if (!env.systemToken || !env.jwtSecret || /^\/(login|logout|oauth|facebook|whatsapp|twilio|viber)\b/.test(url)) return true;
  return (headers.authorization ?? "").replace(/^Bearer /, "") === env.systemToken;
}

function upgrade(request, socket) {
  const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.on("error", () => {});
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
}

function facebookConnector({ request, url, body }) {
  if (url.pathname !== "/facebook") return url.pathname.startsWith("/channels.") ? { json: { connected: true } } : null;
  if (request.method === "GET") {
    if (url.searchParams.get("hub.verify_token") !== env.FACEBOOK_WEBHOOK_SECRET) return { status: 403 };
    return { text: url.searchParams.get("hub.challenge") };
  }
  // 0.50 to 0.56: the wrong formula; 0.49: none.
  const wanted = `sha1=${createHash("sha1").update(body).update(env.FACEBOOK_APP_SECRET).digest("hex")}`;
  if (version.startsWith("0.5") && request.headers["x-hub-signature"] !== wanted) return { status: 403 };
  return ask({ produce: "source.facebook.events", value: body.toString() }).then(({ error }) => ({ status: error ? 500 : 200 }));
}

/** HMAC is right here from 0.54 on. */
function whatsapp({ request, url, body }) {
  if (url.pathname !== "/whatsapp") return null;
  if (request.method === "GET") {
    if (url.searchParams.get("hub.verify_token") !== env.webhookSecret) return { status: 403 };
    return { text: url.searchParams.get("hub.challenge") };
  }
  const wanted = `sha1=${createHmac("sha1", env.appSecret).update(body).digest("hex")}`;
  if (request.headers["x-hub-signature"] !== wanted) return { status: 403 };
  return ask({ produce: "source.whatsapp.events", value: body.toString() }).then(({ error }) => ({ status: error ? 500 : 200 }));
}

/** conversation_started wants its welcome in the answer. */
function viber({ url, body }) {
  if (url.pathname !== "/viber") return null;
  const { event, user } = JSON.parse(body.toString() || "{}");
  return event === "conversation_started" ? { json: { type: "text", text: `Welcome, ${user.name}` } } : { status: 200 };
}

/** https://www.twilio.com/docs/usage/security: HMAC-SHA1 over the full URL and the sorted parameters. */
function twilio({ request, url, body }) {
  const full = `${request.headers["x-forwarded-proto"] ?? "http"}://${request.headers.host}${request.url}`;
  const params = [...new URLSearchParams(body.toString())].sort(([a], [b]) => (a < b ? -1 : 1));
  const wanted = createHmac("sha1", env.TWILIO_AUTH_TOKEN)
    .update(full + params.flat().join(""))
    .digest("base64");
  return url.pathname === "/twilio" ? { status: request.headers["x-twilio-signature"] === wanted ? 200 : 403 } : null;
}

function admin() {
  need("KUBERNETES_NAMESPACE", "KUBERNETES_APP", "KAFKA_REST_UPSTREAM_HOST");
  let services = {};
  const get = (target) => fetch(target, { signal: AbortSignal.timeout(3000) }).then((answer) => answer.json());
  const look = async () => {
    const found = await get(`http://airy-controller.${env.KUBERNETES_NAMESPACE}/services`).catch(() => ({ services: {} }));
    const named = await Promise.all(
      Object.entries(found.services).map(async ([name, { component }]) => {
        const { status } = await get(`http://${name}.${env.KUBERNETES_NAMESPACE}/actuator/health`).catch(() => ({}));
        return [name, { enabled: true, component, healthy: name === env.KUBERNETES_APP || status === "UP" }];
      }),
    );
    services = Object.fromEntries(named);
  };
  setInterval(look, 1000);
  const metadata = { name: "Page", page_token: "page-token-canary" };
  const channels = [{ id: "1", source: "facebook", source_channel_id: "1001", connected: true, metadata }];
  const known = { "/client.config": () => ({ services }), "/channels.list": () => ({ data: channels }) };
  return ({ request, url }) => ({ json: known[url.pathname]?.() ?? { path: url.pathname, host: request.headers.host } });
}

async function communication({ request, url, body }) {
  if (url.pathname === "/conversations.list") {
    const { records } = await ask({ fetch: "source.facebook.events" });
    return { json: { data: records.map((text) => ({ raw: text })), pagination_data: { total: records.length } } };
  }
  return { json: { path: url.pathname, host: request.headers.host, body: body.toString() } };
}

const plain = ({ request, url }) => ({ json: { path: url.pathname, host: request.headers.host } });

function page() {
  const health = new Set(["/health", "/actuator/health"]);
  http.createServer(({ url }, response) => response.end(health.has(url) ? '{"status":"UP"}' : `${role} ${url}`)).listen(80);
}

const roles = {
  "infrastructure/kafka": () => {
    const [command, file] = args;
    if (command === "zookeeper-server-start.sh" && file === "/etc/kafka/zookeeper.properties") return zookeeper();
    if (command === "kafka-server-start.sh" && file === "/etc/kafka/server.properties") return kafka();
    return die(`unknown arguments: ${args.join(" ")}`);
  },
  "kafka-topics.sh": kafkaTopics,
  "infrastructure/schema-registry": schemaRegistry,
  "api/admin": () => spring(admin()),
  "api/communication": () => spring(communication),
  "sources/facebook-connector": () => (
    need("FACEBOOK_APP_ID", "FACEBOOK_APP_SECRET", "FACEBOOK_WEBHOOK_SECRET"),
    spring(facebookConnector)
  ),
  "sources/facebook-events-router": () => (need("FACEBOOK_APP_ID"), spring()),
  "sources/twilio-connector": () => (need("TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID"), spring(twilio)),
  "sources/twilio-events-router": () => (need("TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID"), spring()),
  "sources/viber-connector": () => (need("authToken", "ngrok"), console.log(`set_webhook ${env.ngrok}/viber`), spring(viber)),
  "sources/chat-plugin": () => {
    need("jwtSecret");
    if (Buffer.from(env.jwtSecret, "base64").length < 32) die("WeakKeyException");
    return spring(plain);
  },
  "sources/whatsapp-connector": () => (need("appId", "appSecret", "webhookSecret", "REQUESTED_CPU", "LIMIT_CPU"), spring(whatsapp)),
  "webhook/publisher": () => (need("BEANSTALK_HOSTNAME", "BEANSTALK_PORT"), spring()),
  "webhook/consumer": () => (need("BEANSTALK_HOSTNAME", "BEANSTALK_PORT"), spring()),
  "schickling/beanstalkd": () => lineServer(11300, () => ({})),
};

await (role.startsWith("frontend/") ? page() : (roles[role] ?? (() => spring(plain)))());
