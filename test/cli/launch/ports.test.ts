import net from "node:net";
import { afterEach, expect, test } from "vitest";
import { choosePorts, portWishes } from "../../../cli/launch/ports.ts";
import type { AiryEventBody } from "../../../cli/events.ts";
import { nextFreePort } from "../../../cli/checks/ports.ts";

const servers: net.Server[] = [];
const none = new Set<number>();
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

/** A port that another program holds. */
async function takenPort(): Promise<number> {
  const server = net.createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as net.AddressInfo).port;
}

async function freePorts() {
  const platform = await nextFreePort(0, []);
  const edgeSsh = await nextFreePort(0, [platform]);
  const edgeHttp = await nextFreePort(0, [platform, edgeSsh]);
  return { platform, edgeSsh, edgeHttp, facebook: await nextFreePort(0, [platform, edgeSsh, edgeHttp]), control: null };
}

test("ports of the last time are used again", async () => {
  const stored = await freePorts();
  expect(await choosePorts({ asked: undefined, stored, sandbox: true, running: false, lost: none }, () => {})).toEqual(stored);
});

test("one that is taken meanwhile moves on, with a warning; the others stay", async () => {
  const stored = { ...(await freePorts()), edgeHttp: await takenPort() };
  const events: AiryEventBody[] = [];
  const chosen = await choosePorts({ asked: undefined, stored, sandbox: true, running: false, lost: none }, (event) => events.push(event));
  expect(chosen.edgeHttp).not.toBe(stored.edgeHttp);
  expect({ ...chosen, edgeHttp: 0 }).toEqual({ ...stored, edgeHttp: 0 });
  expect(events).toEqual([expect.objectContaining({ type: "check", id: "port-edgeHttp", status: "warn" })]);
});

test("what our own running services hold is not taken", async () => {
  const stored = { ...(await freePorts()), platform: await takenPort() };
  const input = { asked: undefined, stored, sandbox: true, running: true, lost: none };
  expect(await choosePorts(input, () => {})).toEqual(stored);
  expect(portWishes(input)).toEqual([]);
});

test("of ports that containers of before do not hold all are looked at, each that is taken moves in the same round", async () => {
  const stored = { ...(await freePorts()), edgeSsh: await takenPort(), edgeHttp: await takenPort() };
  const events: AiryEventBody[] = [];
  const input = { asked: undefined, stored, sandbox: true, running: false, held: new Set([stored.platform]), lost: none };
  expect(portWishes(input).map(({ name }) => name)).toEqual(["local edge (SSH)", "local edge (HTTP)", "stand-in for Facebook"]);
  const chosen = await choosePorts(input, (event) => events.push(event));
  expect(chosen).toMatchObject({ platform: stored.platform, facebook: stored.facebook });
  expect(new Set([chosen.edgeSsh, chosen.edgeHttp, stored.edgeSsh, stored.edgeHttp]).size).toBe(4);
  const said = events.map((event) => "message" in event && event.message);
  expect(said[0]).toBe(
    `The local edge (SSH) uses port ${chosen.edgeSsh}, because ${stored.edgeSsh} is taken by node (pid ${process.pid}).`,
  );
  expect(events).toHaveLength(2);
});

test("a port that turned out to be taken is not tried again, also where our own services seem to hold it", async () => {
  const stored = await freePorts();
  for (const running of [false, true]) {
    const chosen = await choosePorts({ asked: undefined, stored, sandbox: true, running, lost: new Set([stored.edgeHttp]) }, () => {});
    expect(chosen.edgeHttp).not.toBe(stored.edgeHttp);
    expect({ ...chosen, edgeHttp: 0 }).toEqual({ ...stored, edgeHttp: 0 });
  }
});

test("a port that is asked for is a wish that cannot move, and no two services get the same one", async () => {
  const stored = await freePorts();
  const input = { asked: stored.edgeHttp, stored, sandbox: true, running: false, lost: none };
  expect(portWishes(input)[0]).toEqual({ name: "platform", port: stored.edgeHttp, fixed: true });
  const chosen = await choosePorts(input, () => {});
  expect(chosen.platform).toBe(stored.edgeHttp);
  expect(new Set([chosen.platform, chosen.edgeSsh, chosen.edgeHttp, chosen.facebook]).size).toBe(4);
});

test("without a sandbox only the platform needs a port", async () => {
  expect(portWishes({ asked: undefined, stored: null, sandbox: false, running: false, lost: none })).toEqual([
    { name: "platform", port: 4200, fixed: false },
  ]);
});
