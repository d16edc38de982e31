/** The pre-check table: a row for each step of the way, with what to do where it is blocked. */
import net, { type AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { lookAtWay, wayText } from "../../../cli/checks/way.ts";
import { startConnectProxy } from "../../support/connect-proxy.ts";
import { openEdge } from "../../support/edge.ts";

const rows = (steps: Awaited<ReturnType<typeof lookAtWay>>) =>
  Object.fromEntries(steps.map(({ id, status }) => [id.replace("way-", ""), status]));

async function portOf(talk: (socket: net.Socket) => void): Promise<{ port: number; close: () => void }> {
  const server = net.createServer((socket) => talk(socket.on("error", () => {})));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

it("sees an edge, also where it waits for SSH's first bytes", async () => {
  const edge = await openEdge();
  const shared = await portOf((socket) =>
    socket.once("data", (first: Buffer) => socket.write(first.toString().startsWith("SSH-") ? "SSH-2.0-x\r\n" : "no")),
  );
  try {
    const steps = await lookAtWay({ host: "127.0.0.1", port: edge.sshPort, fallbackPort: shared.port }, {});
    expect(rows(steps)).toMatchObject({ dns: "ok", proxy: "ok", [`tcp-${edge.sshPort}`]: "ok", [`tcp-${shared.port}`]: "ok" });
    expect(wayText(steps)).toMatch(/tcp-\d+ +ok +answers \(SSH-2\.0/);
  } finally {
    shared.close();
    await edge.close();
  }
});

it("names what is blocked, with what to do", async () => {
  const silent = await portOf(() => {});
  const gone = await portOf(() => {});
  gone.close();
  try {
    const blocked = await lookAtWay({ host: "127.0.0.1", port: gone.port }, {});
    expect(blocked.find(({ id }) => id === `way-tcp-${gone.port}`)).toMatchObject({
      status: "fail",
      action: expect.stringMatching(/running.*allow outgoing TCP/),
    });
    const dumb = await lookAtWay({ host: "127.0.0.1", port: silent.port }, {});
    expect(dumb.find(({ id }) => id === `way-tcp-${silent.port}`)).toMatchObject({
      status: "fail",
      message: expect.stringContaining("does not speak SSH"),
    });
    const nowhere = await lookAtWay({ host: "no-such-name.invalid", port: 22 }, {});
    expect(nowhere.find(({ id }) => id === "way-dns")).toMatchObject({ status: "fail", action: expect.stringContaining("online") });
  } finally {
    silent.close();
  }
});

it("asks the proxy of the environment", async () => {
  await using proxy = await startConnectProxy(() => 403);
  const steps = await lookAtWay({ host: "edge.invalid", port: 22 }, { HTTPS_PROXY: proxy.url });
  expect(steps.find(({ id }) => id === "way-proxy")).toMatchObject({ status: "fail", message: expect.stringContaining("403") });
  expect(steps.find(({ id }) => id === "way-dns")).toMatchObject({ status: "warn" });
});
