/** What strangers and tunnels may do to holding without harm to the edge, whose memory and life are everybody's. */
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { BodyBudget } from "../../../edge/ingress/bodies.ts";
import { openHoldStore } from "../../../edge/hold/store.ts";
import { identifierOf, publicKeyBlob } from "../../../edge/names/identifier.ts";
import { ask, newKey, openEdge, openTunnel, until, type TestEdge } from "../../support/edge.ts";

const SIGNED = { "x-hub-signature-256": `sha256=${"0".repeat(64)}` };
const MIB = 1024 * 1024;

let edge: TestEdge | null = null;
afterEach(async () => {
  await edge?.close();
  edge = null;
});

describe("bodies", () => {
  it("that are still coming make room, the oldest first; complete ones stay", () => {
    const bodies = new BodyBudget(100);
    const gone: string[] = [];
    const reserve = (name: string) => {
      const reservation = bodies.reserve(() => {
        gone.push(name);
        reservation.release();
      });
      return reservation;
    };
    const [a, b, c, d] = [reserve("a"), reserve("b"), reserve("c"), reserve("d")];
    for (const one of [a, b, c]) expect(one.grow(30)).toBe(true);
    a.complete();
    expect(d.grow(20)).toBe(true);
    expect(gone).toEqual(["b"]);
    expect(d.grow(60)).toBe(false);
    expect(gone).toEqual(["b", "c"]);
    expect(bodies.bytes).toBe(50);
    d.release();
    d.release();
    a.release();
    expect(bodies.bytes).toBe(0);
  });

  it("that never end do not fill the memory, and those that end are acknowledged", async () => {
    edge = await openEdge();
    const client = await openTunnel(edge, 9, { hold: ["/facebook"] });
    await client.tunnel.close();
    const answers: string[] = [];
    const sockets = Array.from({ length: 70 }, () => net.connect({ host: "127.0.0.1", port: edge!.httpPort }));
    const almost = Buffer.alloc(MIB - 1);
    for (const [index, socket] of sockets.entries()) {
      answers[index] = "";
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => (answers[index] += chunk.toString("latin1")));
      socket.write(
        `POST /facebook HTTP/1.1\r\nHost: ${client.host}\r\nX-Hub-Signature-256: ${SIGNED["x-hub-signature-256"]}\r\nContent-Length: ${MIB}\r\n\r\n`,
      );
      await new Promise((resolve) => socket.write(almost, resolve));
    }
    await until(
      "the first ones to be told to come again",
      () => answers.filter((text) => /airy-error: HOLD_FAILED/i.test(text)).length >= 6,
    );
    const answer = await ask(edge.httpPort, { host: client.host, method: "POST", path: "/facebook", headers: SIGNED, body: "{}" });
    expect([answer.status, answer.text]).toEqual([200, ""]);
    // The latest of them was not in the way, and may still come to its end.
    sockets.at(-1)!.write("x");
    await until("the last one to be acknowledged", () => answers.at(-1)!.startsWith("HTTP/1.1 200"));
    for (const socket of sockets) socket.destroy();
  });
});

it("tunnels, which cost nothing, cannot fill the disk together, nor can one network keep others from being held for", async () => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), "airy-hold-"));
  let store = openHoldStore({ dataDir, maxBytes: 16 * 11_000 });
  const append = (tunnel: string, source: string) =>
    store.append(tunnel, store.newDeliveryId(), { rawHead: Buffer.alloc(100), body: Buffer.alloc(4_000), source, receivedAt: 0 });
  await append("a", "192.0.2.1");
  const { deliveryId } = await append("b", "192.0.2.2");
  await expect(append("c", "192.0.2.3")).rejects.toMatchObject({ code: "HOLD_FULL" });
  for (let network = 1; network <= 15; network++) {
    await append("d", `198.51.${network}.1`);
    await append("e", `198.51.${network}.1`);
  }
  for (let n = 0; n < 2; n++) await append("f", "203.0.113.1");
  await expect(append("h", "203.0.115.1")).rejects.toMatchObject({ code: "HOLD_FULL" });
  // Known after a restart as well; and what leaves makes room.
  await store.close();
  store = openHoldStore({ dataDir, maxBytes: 16 * 11_000 });
  await expect(append("h", "203.0.115.1")).rejects.toMatchObject({ code: "HOLD_FULL" });
  await store.remove("b", deliveryId);
  await expect(append("c", "192.0.2.3")).resolves.toBeDefined();
  await store.close();
  await rm(dataDir, { recursive: true });
});

it("more dead letters than fit into an answer do not end the edge; the newest are listed", async () => {
  const key = newKey();
  const name = identifierOf(publicKeyBlob(key.public)!);
  edge = await openEdge();
  // A name that is claimed for the first time begins without anything.
  const claiming = await openTunnel(edge, 9, { identity: key.private, hold: ["/facebook"] });
  await claiming.tunnel.close();
  await edge.stop();
  const store = openHoldStore({ dataDir: path.join(edge.dir, "edge") });
  const webhook = {
    rawHead: Buffer.from("POST\n/"),
    body: Buffer.alloc(0),
    source: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    receivedAt: 0,
  };
  const ids = Array.from({ length: 2_500 }, () => store.newDeliveryId());
  await Promise.all(ids.map((id) => store.append(name, id, webhook)));
  await Promise.all(ids.map((id) => store.moveToDead(name, id, "STATUS_404")));
  await store.close();
  await edge.restart();
  const { tunnel } = await openTunnel(edge, 9, { identity: key.private, hold: ["/facebook"] });
  const letters = (await tunnel.deadLetters()) as { deliveryId: string }[];
  expect(letters.map(({ deliveryId }) => deliveryId)).toEqual(ids.slice(-1_000));
  expect(tunnel.status().held?.dead).toBe(2_500);
  await tunnel.close();
});
