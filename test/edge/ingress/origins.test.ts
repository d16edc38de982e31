/** Local services that close early, answer oddly or break off: what the visitor gets is never nothing. */
import { createHmac } from "node:crypto";
import type net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bothClients } from "../../support/clients.ts";
import { ask, openEdge, rawAsk, startOrigin, startRawOrigin, until, type RawOrigin, type TestEdge } from "../../support/edge.ts";

let edge: TestEdge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge.close());

const FINE = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

/** Calls back with every whole head that a connection has brought. */
function onHeads(socket: net.Socket, onHead: (head: string, count: number) => void): void {
  let text = "";
  let count = 0;
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
    for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
      onHead(text.slice(0, end), ++count);
      text = text.slice(end + 4);
    }
  });
}

describe.each(bothClients(() => edge))("through %s", (_name, open) => {
  async function through(origin: RawOrigin, use: (host: string) => Promise<void>): Promise<void> {
    const client = await open(origin.port);
    try {
      await use(client.host);
    } finally {
      await client.close();
      await origin.close();
    }
  }

  /** One answer, byte for byte, to every request. */
  const answers = (text: string | Buffer) => startRawOrigin((socket) => onHeads(socket, () => void socket.write(text, "latin1")));

  it("a connection that the service closes while nobody uses it is not used again", async () => {
    let closed = 0;
    const origin = await startRawOrigin((socket) => {
      onHeads(socket, () => {
        socket.write(FINE);
        setTimeout(() => socket.end(), 50);
      });
      socket.on("finish", () => (closed += 1));
    });
    await through(origin, async (host) => {
      for (let i = 1; i <= 3; i++) {
        expect(await ask(edge.httpPort, { host, method: "POST", body: "x" })).toMatchObject({ status: 200, text: "fine" });
        await until("the service to have closed it", () => closed === i);
        // For the news to get to the edge; it stays idle there for 4 s otherwise.
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    });
  });

  it("304 may announce the length that 200 would have had", async () => {
    await through(await answers('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 10\r\n\r\n'), async (host) => {
      for (let i = 0; i < 2; i++) expect(await ask(edge.httpPort, { host })).toMatchObject({ status: 304, text: "" });
    });
  });

  it.each([
    ["a broken chunk right behind the head", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"],
    ["no head at all", "\0\0\0\0\r\n\r\n"],
  ])("%s is told, with its code", async (_what, text) => {
    await through(await answers(text), async (host) => {
      expect(await ask(edge.httpPort, { host })).toMatchObject({ status: 502, headers: { "airy-error": "SERVICE_FAILED" } });
    });
  });

  it("all of an answer's 1,500 header lines arrive", async () => {
    const lines = Array.from({ length: 1_500 }, (_, i) => `x: ${i}\r\n`).join("");
    await through(await answers(`HTTP/1.1 200 OK\r\n${lines}Content-Length: 4\r\n\r\nfine`), async (host) => {
      const { rawHeaders, text, headers } = await ask(edge.httpPort, { host, maxHeadersCount: 0 });
      expect([text, headers["content-length"]]).toEqual(["fine", "4"]);
      expect(rawHeaders.filter((name) => name === "x")).toHaveLength(1_500);
    });
  });

  it.each([
    ["103", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n", ""],
    ["an unasked 100", "HTTP/1.1 100 Continue\r\n\r\n", ""],
    ["trailers", "", "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nX-Sum: 1\r\n\r\n"],
    ["a head of 30 KB", "", `HTTP/1.1 200 OK\r\nX: ${"y".repeat(30_000)}\r\nContent-Length: 4\r\n\r\nfine`],
  ])("%s does no harm", async (_what, before, answer) => {
    await through(await answers(before + (answer || FINE)), async (host) => {
      for (let i = 0; i < 2; i++) {
        const text = await rawAsk(edge.httpPort, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
        expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*fine/);
      }
    });
  });

  it("a signature over the whole URL fits at the local service, as Twilio makes it", async () => {
    const sign = (url: string, fields: Record<string, string>) =>
      createHmac("sha1", "auth token")
        .update(
          url +
            Object.keys(fields)
              .toSorted()
              .map((name) => name + fields[name])
              .join(""),
        )
        .digest("base64");
    const origin = await startOrigin((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const { headers, url } = request;
        const asked = `${headers["x-forwarded-proto"] as string}://${headers.host}${url}`;
        const expected = sign(asked, Object.fromEntries(new URLSearchParams(body)));
        response.end(headers["x-twilio-signature"] === expected ? "valid" : `invalid for ${asked}`);
      });
    });
    const client = await open(origin.port);
    const body = "From=%2B15550100&Body=Hi+there";
    const signature = sign(`http://${client.host}/sms?a=b%20c`, { From: "+15550100", Body: "Hi there" });
    const headers = { "X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded", "Content-Length": body.length };
    const { text } = await ask(edge.httpPort, { host: client.host, method: "POST", path: "/sms?a=b%20c", headers, body });
    expect(text).toBe("valid");
    await client.close();
    await origin.close();
  });

  it("OPTIONS * is refused as what it is", async () => {
    await through(await answers(FINE), async (host) => {
      const { status, headers } = await ask(edge.httpPort, { host, method: "OPTIONS", path: "*" });
      expect([status, headers["airy-error"]]).toEqual([400, "BAD_TARGET"]);
    });
  });
});

it.each(bothClients(() => edge))(
  "%s: a GET that meets a connection which is being closed is sent again, a POST is not",
  async (name, open) => {
    // Answers the first request of a connection, and closes it when the second one comes.
    const origin = await startRawOrigin((socket) =>
      onHeads(socket, (_head, count) => void (count === 1 ? socket.write(FINE) : socket.end())),
    );
    const { host, close } = await open(origin.port);
    expect(await ask(edge.httpPort, { host })).toMatchObject({ status: 200 });
    expect(await ask(edge.httpPort, { host })).toMatchObject({ status: 200, text: "fine" });
    expect(origin.received).toHaveLength(2);
    // Our agent has several connections by now, and may take one that is fresh.
    const post = await ask(edge.httpPort, { host, method: "POST", body: "x", headers: { "Content-Length": "1" } });
    if (name === "ssh -R") expect([post.status, post.headers["airy-error"]]).toEqual([502, "SERVICE_FAILED"]);
    expect(origin.received.join("").match(/POST \//g)).toHaveLength(1);
    await close();
    await origin.close();
  },
);
