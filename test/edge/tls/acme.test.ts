/** Certificates from pebble: for names as they are claimed, and for all of them by DNS; renewed, kept, and not ordered for everybody. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { EdgeConfig } from "../../../edge/index.ts";
import { DEFAULT_LIMITS } from "../../../edge/limits.ts";
import { openAcme, type AcmeConfig } from "../../../edge/tls/acme/certificates.ts";
import { ask, newKey, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";
import { hasPebble, startPebble, type Pebble } from "../../support/pebble.ts";
import { freeBlock } from "../../support/ports.ts";
import { openSsh, writeKey } from "../../support/ssh.ts";
import { askSecurely, makeCa, type TestCa } from "./support.ts";

const DOMAIN = "tunnel.example";
const listen = (port: number) => ({ host: "127.0.0.1", port });
let ca: TestCa;
let origin: Origin;
const trusted = https.globalAgent.options.ca;
beforeAll(async () => {
  ca = makeCa();
  https.globalAgent.options.ca = [...tls.rootCertificates, ca.cert.toString()];
  origin = await startOrigin((request, response) => response.end(`origin ${request.url}`));
});
afterAll(async () => {
  https.globalAgent.options.ca = trusted;
  await origin.close();
  ca.remove();
});

describe.skipIf(!hasPebble)("an edge with pebble", { timeout: 60_000 }, () => {
  let ports: { http: number; https: number };
  let pebble: Pebble;
  let edge: TestEdge | null = null;
  beforeEach(async () => {
    const first = await freeBlock();
    ports = { http: first, https: first + 1 };
    pebble = await startPebble(ca, { httpPort: ports.http, tlsPort: ports.https, validity: 90 * 24 * 60 * 60 });
  });
  afterEach(async () => {
    await edge?.close();
    edge = null;
    await pebble.close();
  });

  const start = async (acme: Partial<AcmeConfig> = {}, more: Partial<EdgeConfig> = {}) => {
    const tlsConfig = { mode: "acme", directory: pebble.directory, email: null, challenge: "http-01", hook: null, ...acme } as const;
    edge = await openEdge({ domain: DOMAIN, http: listen(ports.http), https: listen(ports.https), tls: tlsConfig, ...more });
    return edge;
  };
  const folder = () => path.join(edge!.dir, "edge", "acme");
  const modes = () => readdirSync(folder()).map((file) => statSync(path.join(folder(), file)).mode & 0o777);
  const through = async (name: string, path_: string) => {
    const root = Buffer.from(await pebble.root());
    return (await askSecurely(ports.https, root, { host: `${name}.${DOMAIN}`, path: path_ })).text;
  };
  const hello = (servername: string) =>
    new Promise<string>((resolve) => {
      const socket = tls.connect({ host: "127.0.0.1", port: ports.https, servername, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on("error", (error) => resolve(error.message));
    });

  it.each(["http-01", "tls-alpn-01"] as const)("fetches one for a name that is claimed, by %s, and for no other", async (challenge) => {
    await start({ challenge });
    const first = await openTunnel(edge!, origin.port, { name: "shop" });
    expect(first.url).toBe(`https://shop.${DOMAIN}:${ports.https}`);
    expect(await through("shop", "/a")).toBe("origin /a");
    expect((await ask(ports.http, { host: `shop.${DOMAIN}` })).text).toBe("origin /");
    // Neither a name that nobody has, nor somebody else's host, nor what is no name at all.
    for (const host of [`nobody.${DOMAIN}`, "www.example", `a.shop.${DOMAIN}`]) expect(await hello(host)).not.toMatch(/^[0-9A-F]{8,}$/);
    expect(pebble.issued()).toBe(1);
    const second = await openTunnel(edge!, origin.port, { identity: newKey().private, name: "blog" });
    expect(second.url).toMatch(/^https:/);
    expect(pebble.issued()).toBe(2);
    expect([...new Set(modes())]).toEqual([0o600]);
    // SSH beside it, for who has another client.
    const key = await writeKey();
    const ssh = openSsh(ports.https, key, ["-R", `80:127.0.0.1:${origin.port}`]);
    const [, name = ""] = (await ssh.wrote(/https:\/\/([a-z0-9]+)\./))!;
    expect(await through(name, "/ssh")).toBe("origin /ssh");
    await ssh.stop();
    await key.remove();
    // After a restart all of it is there, and the account is the same.
    const account = readFileSync(
      path.join(
        folder(),
        readdirSync(folder()).find((file) => file.startsWith("account"))!,
      ),
      "utf8",
    );
    expect(JSON.parse(account)).toMatchObject({ url: expect.stringContaining("https://") as string });
    await Promise.all([first.tunnel.close(), second.tunnel.close()]);
    await edge!.stop();
    await edge!.restart();
    expect(await hello(`shop.${DOMAIN}`)).toMatch(/^[0-9A-F]{8,}$/);
    expect(pebble.issued()).toBe(3);
  });

  it("a service behind a tunnel answers its own challenges", async () => {
    await start();
    const { host, tunnel } = await openTunnel(edge!, origin.port);
    const target = "/.well-known/acme-challenge/its-own";
    expect((await ask(ports.http, { host: host.replace(/:\d+$/, ""), path: target })).text).toBe(`origin ${target}`);
    await tunnel.close();
  });

  it("one for all names, by a program that writes into DNS; clients that came before it are told https then", async () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "airy-hook-"));
    const hook = path.join(dir, "hook");
    writeFileSync(path.join(dir, "wait"), "");
    writeFileSync(
      hook,
      `#!/bin/sh
echo "$*" >>${dir}/calls
while [ -e ${dir}/wait ]; do sleep 0.1; done
case $1 in present) order=set-txt ;; *) order=clear-txt ;; esac
curl -sf ${pebble.management}/$order -d "{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}"
`,
    );
    chmodSync(hook, 0o755);
    await start({ hook });
    const early = await openTunnel(edge!, origin.port, { name: "early" });
    expect(early.url).toMatch(/^http:/);
    rmSync(path.join(dir, "wait"));
    const urls = () => early.statuses.map((status) => ("url" in status ? status.url : null));
    await until("the client to be told", () => urls().includes(`https://early.${DOMAIN}:${ports.https}`), 30_000);
    expect(await through("early", "/x")).toBe("origin /x");
    const later = await openTunnel(edge!, origin.port, { identity: newKey().private, name: "later" });
    expect(later.url).toMatch(/^https:/);
    expect(pebble.issued()).toBe(1);
    const calls = readFileSync(path.join(dir, "calls"), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    const record = `_acme-challenge.${DOMAIN}`;
    expect(calls.map(([action, name]) => `${action} ${name}`).toSorted()).toEqual([
      `cleanup ${record}`,
      `cleanup ${record}`,
      `present ${record}`,
      `present ${record}`,
    ]);
    await Promise.all([early.tunnel.close(), later.tunnel.close()]);
    rmSync(dir, { recursive: true });
  });

  it("renews at two thirds of the lifetime; while that fails the old one stays, and is said to the operator", async () => {
    await start({}, { admin: listen(0) });
    const { tunnel } = await openTunnel(edge!, origin.port, { name: "shop" });
    const old = await hello(`shop.${DOMAIN}`);
    const metric = async (name: string) => {
      const text = await (await fetch(`http://127.0.0.1:${edge!.edge.adminPort}/metrics`)).text();
      return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1]);
    };
    const expiry = await metric("airy_edge_certificate_expiry_seconds");
    expect(expiry).toBeGreaterThan(Date.now() / 1000);
    await pebble.stop();
    const [failed, lifetime] = [await metric("airy_edge_certificate_failures_total"), expiry * 1000 - Date.now()];
    const now = Date.now.bind(Date);
    let later = lifetime * 0.6;
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now() + later);
    try {
      edge!.edge.reload();
      expect(await metric("airy_edge_certificate_failures_total")).toBe(failed);
      later += lifetime * 0.08;
      edge!.edge.reload();
      await until("the attempt", async () => (await metric("airy_edge_certificate_failures_total")) > failed, 60_000);
      expect(edge!.logs.some((line) => /no certificate for shop.*ECONNREFUSED.*the one in use stays/.test(line))).toBe(true);
      expect(await hello(`shop.${DOMAIN}`)).toBe(old);
      await pebble.start();
      // The pause is over.
      later += 2 * 60_000;
      edge!.edge.reload();
      await until("the new certificate", async () => (await hello(`shop.${DOMAIN}`)) !== old, 30_000);
    } finally {
      clock.mockRestore();
    }
    expect(await metric("airy_edge_certificate_expiry_seconds")).toBeGreaterThan(expiry);
    await tunnel.close();
  });

  it("does not order more than it may, and tells an http URL then", async () => {
    await start({}, { limits: { ...DEFAULT_LIMITS, "first-certificates-per-week": 1 }, admin: listen(0) });
    const first = await openTunnel(edge!, origin.port);
    const second = await openTunnel(edge!, origin.port);
    expect([first.url.split(":")[0], second.url.split(":")[0], pebble.issued()]).toEqual(["https", "http", 1]);
    expect(edge!.logs.some((line) => line.includes("1 certificates for new names in a week"))).toBe(true);
    const metrics = await (await fetch(`http://127.0.0.1:${edge!.edge.adminPort}/metrics`)).text();
    expect(metrics).toMatch(/^airy_edge_limited_total\{limit="first-certificates-per-week"\} [1-9]/m);
    await Promise.all([first.tunnel.close(), second.tunnel.close()]);
  });
});

it("an authority that asks for patience is left alone, over restarts", async () => {
  let asked = 0;
  const busy = http.createServer((_request, response) => {
    asked += 1;
    response.writeHead(429, { "Retry-After": "7200", "Content-Type": "application/problem+json" });
    response.end(JSON.stringify({ type: "urn:ietf:params:acme:error:rateLimited", detail: "too many new orders" }));
  });
  await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
  const dataDir = mkdtempSync(path.join(os.tmpdir(), "airy-acme-"));
  const logs: string[] = [];
  const open = () =>
    openAcme({
      directory: `http://127.0.0.1:${(busy.address() as { port: number }).port}/dir`,
      email: null,
      challenge: "http-01",
      hook: null,
      domain: DOMAIN,
      dataDir,
      mayHave: () => true,
      limits: () => ({ ordersPerHour: 10, firstsPerWeek: 10 }),
      onFirst: () => {},
      onLimited: () => {},
      log: (line) => logs.push(line),
    });
  const first = open();
  await first.ready(`a.${DOMAIN}`, 10_000);
  expect(logs.at(-1)).toMatch(/no certificate for a\.tunnel\.example: .*tried again in 120 minutes/);
  await first.ready(`a.${DOMAIN}`, 10_000);
  await first.ready(`b.${DOMAIN}`, 10_000);
  first.reload();
  first.close();
  const second = open();
  await second.ready(`c.${DOMAIN}`, 10_000);
  second.close();
  expect(asked).toBe(1);
  expect(logs.at(-1)).toContain("the authority has asked for patience");
  busy.close();
  rmSync(dataDir, { recursive: true });
});
