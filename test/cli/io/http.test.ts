import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { createHttpClient } from "../../../cli/io/http.ts";
import { retry } from "../../../cli/io/retry.ts";

const client = createHttpClient();
const opened: net.Server[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) server.close();
});

async function serve(listener: http.RequestListener, at: number | string = 0): Promise<string> {
  const server = http.createServer(listener);
  opened.push(server);
  await new Promise<void>((resolve) => server.listen(at as number, typeof at === "number" ? "127.0.0.1" : undefined, resolve));
  return typeof at === "string" ? at : `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test("an answer without end is cut off at the limit, and the connection with it", async () => {
  let closed = false;
  const url = await serve((_, res) => {
    res.on("close", () => (closed = true));
    const more = (): void => void (closed || res.write(Buffer.alloc(65_536), () => setImmediate(more)));
    more();
  });
  await expect(client({ url, maxBytes: 100_000 })).rejects.toMatchObject({ code: "EMSGSIZE" });
  await expect.poll(() => closed).toBe(true);
});

test("the time limit is for the whole exchange, however busily the other side writes", async () => {
  const url = await serve((_, res) => {
    const timer = setInterval(() => res.write("."), 5);
    res.on("close", () => clearInterval(timer));
  });
  await expect(client({ url, timeoutMs: 150 })).rejects.toMatchObject({ code: "ETIMEDOUT" });
});

test("an answer that breaks off is an error, not a short body", async () => {
  const url = await serve((_, res) => {
    res.writeHead(200, { "content-length": "100" });
    res.write("half", () => res.destroy());
  });
  await expect(client({ url })).rejects.toMatchObject({ code: "ECONNRESET" });
});

test("a name below localhost leads to this machine and keeps its Host; a socket takes the place of both", async () => {
  const url = await serve((req, res) => res.end(req.headers.host));
  const { port } = new URL(url);
  expect(String((await client({ url: `http://abc.tunnel.localhost:${port}/` })).body)).toBe(`abc.tunnel.localhost:${port}`);
  const dir = mkdtempSync(path.join(os.tmpdir(), "airy-http-"));
  const socketPath = await serve((req, res) => res.end(req.headers.host), path.join(dir, "s"));
  expect(String((await client({ url: "http://docker/", socketPath })).body)).toBe("docker");
  rmSync(dir, { recursive: true });
});

test("the caller's own abort is told apart from the time limit", async () => {
  const url = await serve(() => {});
  const stop = new AbortController();
  const asked = client({ url, signal: stop.signal });
  stop.abort();
  await expect(asked).rejects.toMatchObject({ name: "AbortError" });
});

test("retry makes one attempt more than there are pauses, and stops at the first good one", async () => {
  const seen: number[] = [];
  const attempt = async (): Promise<number> => seen.push(seen.length);
  expect(await retry(attempt, { delaysMs: [1, 1, 1], again: (n) => n < 2 })).toBe(2);
  expect(await retry(attempt, { delaysMs: [1], again: () => true })).toBe(4);
});
