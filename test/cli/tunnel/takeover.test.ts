import { afterEach, expect, test } from "vitest";
import { generateKey } from "../../../edge/names/key.ts";
import { ask, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";

let edge: TestEdge | null = null;
const origins: Origin[] = [];
afterEach(async () => {
  await edge?.close();
  for (const origin of origins.splice(0)) await origin.close();
});

test("a client that is taken over finishes what it carries before it says that it is closed", async () => {
  edge = await openEdge();
  let release: (() => void) | null = null;
  const old = await startOrigin((_request, response) => (release = () => response.end("old")));
  const young = await startOrigin((_request, response) => response.end("young"));
  origins.push(old, young);
  const identity = generateKey("test").privateKey;
  const first = await openTunnel(edge, old.port, { identity });
  let closed = false;
  void first.tunnel.closed.then(() => (closed = true));
  const slow = ask(edge.httpPort, { host: first.host });
  await until("the request is at the service", () => release !== null);
  const second = await openTunnel(edge, young.port, { identity });
  expect((await ask(edge.httpPort, { host: first.host })).text).toBe("young");
  await until("the first client knows", () => first.tunnel.status().state === "closed");
  expect(closed).toBe(false);
  (release as (() => void) | null)?.();
  expect(await slow).toMatchObject({ status: 200, text: "old" });
  expect((await first.tunnel.closed)?.code).toBe("TAKEN_OVER");
  await second.tunnel.close();
});
