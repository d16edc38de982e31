import { spawn } from "node:child_process";
import net from "node:net";
import { afterEach, expect, test } from "vitest";
import { holderOf, holderText, isFree, nextFreePort } from "../../../cli/checks/ports.ts";

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(host: string, port = 0): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen({ host, port, ipv6Only: host === "::1" }, resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as net.AddressInfo).port;
}

test.each(["127.0.0.1", "0.0.0.0", "::", "::1"])("a listener on %s takes the port", async (host) => {
  const port = await listen(host);
  expect(await isFree(port)).toBe(false);
});

test("a port is free again as soon as its listener is gone", async () => {
  const port = await listen("127.0.0.1");
  await cleanups.pop()!();
  expect(await isFree(port)).toBe(true);
});

test("the preferred port is taken when it is free, else the next one that is, skipping those spoken for", async () => {
  // Three neighbours that are free at the same time.
  let first = 0;
  do first = await nextFreePort(0, []);
  while (!((await isFree(first + 1)) && (await isFree(first + 2))));
  expect(await nextFreePort(first, [])).toBe(first);
  await listen("127.0.0.1", first);
  expect(await nextFreePort(first, [])).toBe(first + 1);
  expect(await nextFreePort(first, [first + 1])).toBe(first + 2);
});

test("names the process that holds a port", async () => {
  const port = await listen("127.0.0.1");
  const holder = await holderOf(port);
  expect(holder).toMatchObject({ pid: process.pid, container: null, project: null });
  expect(holderText(holder!)).toMatch(new RegExp(`^node.* \\(pid ${process.pid}\\)$`));
});

test("names another program without its arguments", async () => {
  const script = "const s = require('net').createServer().listen(0, '::1', () => console.log(s.address().port))";
  const child = spawn(process.execPath, ["-e", script, "--", "--password=canary-secret"], { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(async () => child.kill());
  const port = await new Promise<number>((resolve) => child.stdout.once("data", (chunk: Buffer) => resolve(Number(chunk))));
  const holder = await holderOf(port);
  expect(holder?.pid).toBe(child.pid);
  expect(holderText(holder!)).toBe(`node (pid ${child.pid})`);
});

test("a free port has no holder", async () => {
  expect(await holderOf(await nextFreePort(0, []))).toBeNull();
});
