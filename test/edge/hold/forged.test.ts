/** What a stranger's forgeries and a service that answers badly do to the webhooks behind them: a few attempts, and nothing else. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { ask, newKey, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge, type TestTunnel } from "../../support/edge.ts";
import { forward } from "../../support/ssh.ts";

const SIGNED = { "x-hub-signature-256": `sha256=${"0".repeat(64)}` };

let edge: TestEdge;
let origin: Origin;
let key: string;
let host: string;
/** Bodies, as they reached the service. */
let arrivals: string[];
let unended: boolean;
const tunnels: TestTunnel[] = [];

beforeEach(async () => {
  [arrivals, unended] = [[], false];
  edge = await openEdge();
  key = newKey().private;
  origin = await startOrigin((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      arrivals.push(body);
      response.statusCode = body.startsWith("forged") ? 401 : 200;
      if (unended) response.write("EVENT_RECEIVED");
      else response.end();
    });
  });
  const away = await connect();
  host = away.host;
  await away.tunnel.close();
});

afterEach(async () => {
  for (const { tunnel } of tunnels.splice(0)) await tunnel.close();
  await origin.close();
  await edge.close();
});

async function connect(): Promise<TestTunnel> {
  const opened = await openTunnel(edge, origin.port, { identity: key, hold: ["/facebook"] });
  tunnels.push(opened);
  return opened;
}

async function post(body: string): Promise<void> {
  const { status } = await ask(edge.httpPort, { host, method: "POST", path: "/facebook", headers: SIGNED, body });
  expect(status).toBe(200);
}

/** Several at a time, in any order. */
async function postMany(count: number, of: (n: number) => string): Promise<void> {
  for (let n = 0; n < count; n += 50) await Promise.all(Array.from({ length: Math.min(50, count - n) }, (_, i) => post(of(n + i))));
}

const times = (body: string) => arrivals.filter((each) => each === body).length;
const real = () => arrivals.filter((body) => !body.startsWith("forged"));
const held = (client: TestTunnel) => client.tunnel.status().held;

it.each([1, 65, 1_000])("%i forged ones cost those behind them two attempts each, and are set aside", async (forged) => {
  await postMany(forged, (n) => `forged ${n}`);
  await post("first");
  const client = await connect();
  await until("the first real one", () => arrivals.includes("first"), 30_000);
  expect(arrivals.indexOf("first")).toBe(forged);
  await post("live");
  await until("the live one", () => arrivals.includes("live"), 30_000);
  await until("an empty queue", () => held(client)?.entries === 0 && held(client)?.dead === forged, 30_000);
  for (const n of [0, forged - 1]) expect(times(`forged ${n}`)).toBe(2);
  expect(real()).toEqual(["first", "live"]);
});

it("forged ones alone are tried again after pauses, and what is sent meanwhile does not wait for that", async () => {
  await postMany(200, (n) => `forged ${n}`);
  const client = await connect();
  await until("all to be refused", () => arrivals.length >= 200);
  for (const body of ["a", "forged x", "b"]) await post(body);
  await until("those behind", () => arrivals.includes("b"));
  await until("an empty queue", () => held(client)?.entries === 0 && held(client)?.dead === 201, 30_000);
  expect(real()).toEqual(["a", "b"]);
});

it("a plain ssh -R passes them by as well", async () => {
  await postMany(100, (n) => `forged ${n}`);
  await post("real");
  const plain = await forward(edge.sshPort, key, origin.port);
  try {
    await until("the real one", () => arrivals.includes("real"), 30_000);
    expect(arrivals.indexOf("real")).toBe(100);
    await until("the forged ones to be set aside", () => arrivals.length === 201, 30_000);
  } finally {
    plain.close();
  }
});

it("a service that accepts webhooks and never ends its answers gets all of them", async () => {
  unended = true;
  const all = Array.from({ length: 100 }, (_, n) => `${n}`);
  for (const body of all) await post(body);
  const client = await connect();
  await until("the last one", () => arrivals.length === all.length, 30_000);
  expect(arrivals).toEqual(all);
  await until("an empty queue", () => held(client)?.entries === 0);
});
