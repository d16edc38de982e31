/** Requests from outside to a local server and back, by both kinds of client. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bothClients, type Client } from "../../support/clients.ts";
import { ask, openEdge, rawAsk, startOrigin, startRawOrigin, until, type TestEdge } from "../../support/edge.ts";

let edge: TestEdge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge.close());

/** A server that repeats what it was asked, through a client. */
async function serve(open: (port: number) => Promise<Client>, handler: http.RequestListener, options: http.ServerOptions = {}) {
  const origin = await startOrigin(handler, options);
  const client = await open(origin.port);
  return {
    host: client.host,
    origin,
    close: async () => {
      await client.close();
      await origin.close();
    },
  };
}

const sha = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** Everything of a raw answer behind its head. */
const bodyOf = (text: string) => text.slice(text.indexOf("\r\n\r\n") + 4);

describe.each(bothClients(() => edge))("through %s", (_name, open) => {
  it("method, target, headers and body arrive as they were sent", async () => {
    const { host, close } = await serve(open, (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () =>
        response.end(
          JSON.stringify({
            method: request.method,
            url: request.url,
            raw: request.rawHeaders,
            body: Buffer.concat(chunks).toString("latin1"),
          }),
        ),
      );
    });
    const answer = await ask(edge.httpPort, {
      host,
      method: "PATCH",
      path: "/a%2Fb/../c;d?e=f&e=%20&g",
      headers: [
        "X-One",
        "1",
        "x-two",
        "J\xfcrgen",
        "X-One",
        "again",
        "X-Forwarded-For",
        "6.6.6.6",
        "Forwarded",
        "for=6.6.6.6",
        "Content-Length",
        "5",
      ],
      // As bytes: with a string Node's client would write the head in UTF-8.
      body: Buffer.from("hello"),
    });
    const seen = JSON.parse(answer.text) as { method: string; url: string; raw: string[]; body: string };
    expect(seen).toMatchObject({ method: "PATCH", url: "/a%2Fb/../c;d?e=f&e=%20&g", body: "hello" });
    const pairs = seen.raw.flatMap((value, at) => (at % 2 === 0 ? [`${value}: ${seen.raw[at + 1]}`] : []));
    expect(pairs.filter((pair) => /^x-|^forwarded/i.test(pair))).toEqual([
      "X-One: 1",
      "x-two: J\xfcrgen",
      "X-One: again",
      "X-Forwarded-For: 127.0.0.1",
      "X-Forwarded-Proto: http",
      `X-Forwarded-Host: ${host}`,
      expect.stringMatching(/^Forwarded: for=127\.0\.0\.1;host="?[\w.:]+"?;proto=http$/),
      expect.stringMatching(/^X-Request-Id: [0-9a-f]{16}$/),
    ]);
    expect(pairs.filter((pair) => /^host:/i.test(pair)).map((pair) => pair.toLowerCase())).toEqual([`host: ${host}`]);
    await close();
  });

  it("status, reason, headers and their order, case and repetition come back as they are", async () => {
    const origin = await startRawOrigin((socket) => {
      socket.once("data", () =>
        socket.end(
          'HTTP/1.1 418 I\'m a teapot\r\nset-cookie: a=1\r\nX-Mixed: \xfc\r\nSet-Cookie: b=2\r\nX-Hop: 1\r\nConnection: X-Hop, close\r\nContent-Length: 2\r\nETag: "x"\r\n\r\nok',
          "latin1",
        ),
      );
    });
    const client = await open(origin.port);
    const text = await rawAsk(edge.httpPort, `GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(
      /^HTTP\/1\.1 418 I'm a teapot\r\nset-cookie: a=1\r\nX-Mixed: \xfc\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\nETag: "x"\r\n/,
    );
    expect(text).not.toMatch(/x-hop/i);
    expect(bodyOf(text)).toBe("ok");
    await client.close();
    await origin.close();
  });

  it("HEAD, 204 and 304 have no body and do not hold up the next answer", async () => {
    const { host, close } = await serve(open, (request, response) => {
      if (request.url === "/204") response.writeHead(204).end();
      else if (request.url === "/304") response.writeHead(304, { ETag: '"x"' }).end();
      else response.writeHead(200, { "Content-Length": 5 }).end("hello");
    });
    const lines = ["HEAD /", "GET /204", "GET /304"].map((line) => `${line} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    const text = await rawAsk(edge.httpPort, `${lines.join("")}GET /last HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(text.match(/^HTTP\/1\.1 \d+/gm)).toEqual(["HTTP/1.1 200", "HTTP/1.1 204", "HTTP/1.1 304", "HTTP/1.1 200"]);
    expect(text.match(/content-length: 5/gi)).toHaveLength(2);
    expect(text.endsWith("\r\n\r\nhello")).toBe(true);
    await close();
  });

  it("many requests on one connection, sent without waiting, are answered in order", async () => {
    const { host, close } = await serve(open, (request, response) => {
      // The first takes longest.
      setTimeout(() => response.end(request.url), request.url === "/0" ? 100 : 0);
    });
    const lines = Array.from(
      { length: 10 },
      (_, i) => `GET /${i} HTTP/1.1\r\nHost: ${host}\r\n${i === 9 ? "Connection: close\r\n" : ""}\r\n`,
    );
    const text = await rawAsk(edge.httpPort, lines.join(""));
    expect(text.match(/(?<=\r\n)\/\d(?=HTTP|\r\n|$)|(?<=\r\n\r\n(?:\d+\r\n)?)\/\d/g)?.map((path) => path.slice(0, 2))).toEqual(
      Array.from({ length: 10 }, (_, i) => `/${i}`),
    );
    await close();
  });

  it("chunked both ways, with trailers", async () => {
    const { host, close } = await serve(open, (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        response.writeHead(200, { Trailer: "X-Sum" });
        response.write(`${request.headers["transfer-encoding"]} `);
        response.write(Buffer.concat(chunks));
        response.addTrailers({ "X-Sum": "1" });
        response.end();
      });
    });
    for (const method of ["POST", "GET", "DELETE"]) {
      const answer = await rawAsk(
        edge.httpPort,
        `${method} / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-T: 1\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 200/);
      expect(answer.replaceAll(/\r\n[0-9a-f]+\r\n/g, "")).toContain("hello world");
    }
    await close();
  });

  it("a body of a GET never reaches the server as a request of its own", async () => {
    const origin = await startRawOrigin((socket, text) => {
      socket.on("data", () => {
        if (text().includes("Host: x\r\n\r\n")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      });
    });
    const client = await open(origin.port);
    const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    await rawAsk(
      edge.httpPort,
      `DELETE / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    );
    expect(origin.received).toHaveLength(1);
    expect(origin.received[0]).toMatch(
      /^DELETE (?:.+\r\n)+(?:transfer-encoding: chunked\r\n(?:.+\r\n)*\r\n23\r\n|content-length: 35\r\n(?:.+\r\n)*\r\n)GET \/smuggled/i,
    );
    await client.close();
    await origin.close();
  });

  it("100-continue is answered by the edge, and not asked for behind it", async () => {
    const { host, close } = await serve(open, (request, response) => {
      request.resume();
      request.on("end", () => response.end(String(request.headers.expect)));
    });
    const socket = net.connect(edge.httpPort, "127.0.0.1");
    socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`);
    const [first] = (await once(socket, "data")) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1\.1 100 Continue/);
    let rest = "";
    socket.on("data", (chunk) => (rest += chunk.toString()));
    socket.write("hello");
    await once(socket, "close");
    expect(rest).toMatch(/^HTTP\/1\.1 200/);
    expect(rest).toContain("undefined");
    await close();
  });

  it("an answer to an HTTP/1.0 client is not chunked", async () => {
    const { host, close } = await serve(open, (_request, response) => {
      response.write("hello ");
      response.end("world");
    });
    const text = await rawAsk(edge.httpPort, `GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(bodyOf(text)).toBe("hello world");
    await close();
  });

  it("events arrive one by one", async () => {
    const sent: (() => void)[] = [];
    const { host, close } = await serve(open, (_request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.flushHeaders();
      let n = 0;
      sent.push(() => response.write(`data: ${n++}\n\n`));
      sent.push(() => response.end());
    });
    const request = http.get({ host: "127.0.0.1", port: edge.httpPort, headers: { host }, agent: false });
    // The head comes before there is any event.
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    let text = "";
    response.on("data", (chunk: Buffer) => (text += chunk.toString()));
    for (let i = 0; i < 3; i++) {
      sent[0]!();
      await until("the event, and nothing else", () => text === `data: ${i}\n\n`);
      text = "";
    }
    const ended = once(response, "end");
    sent[1]!();
    await ended;
    await close();
  });

  // Node's `flushHeaders` writes a head in UTF-8, and edge/ingress/proxy.ts calls it; `write("", "latin1")` would not.
  it("a latin-1 header of a stream that begins slowly comes as it is", async () => {
    let begin = () => {};
    const origin = await startRawOrigin((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nX-Name: J\xfcrgen\r\nContent-Length: 2\r\n\r\n", "latin1"));
      begin = () => socket.end("ok");
    });
    const client = await open(origin.port);
    const text = await rawAsk(edge.httpPort, `GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\n\r\n`, (got) => {
      if (got.endsWith("\r\n\r\n")) begin();
      return got.endsWith("ok");
    });
    await client.close();
    await origin.close();
    expect(text).toContain("X-Name: J\xfcrgen\r\n");
  });

  it("an upload is seen by the server before it is complete", async () => {
    let seen = "";
    const { host, close } = await serve(open, (request, response) => {
      request.on("data", (chunk: Buffer) => (seen += chunk.toString()));
      request.on("end", () => response.end("done"));
    });
    const request = http.request({ host: "127.0.0.1", port: edge.httpPort, method: "POST", headers: { host }, agent: false });
    request.write("first");
    await until("the first part at the server", () => seen === "first");
    request.end("second");
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    response.resume();
    await once(response, "end");
    expect(seen).toBe("firstsecond");
    await close();
  });

  it("20 MB up and down arrive byte for byte", async () => {
    const { host, close } = await serve(open, (request, response) => void request.pipe(response));
    const body = randomBytes(20_000_000);
    const answer = await ask(edge.httpPort, { host, method: "POST", body });
    expect(answer.body.length).toBe(body.length);
    expect(sha(answer.body)).toBe(sha(body));
    await close();
  });

  it("a client that goes away is gone for the server, too", async () => {
    let gone = 0;
    const { host, origin, close } = await serve(open, (_request, response) => {
      response.on("close", () => (gone += 1));
      response.write("x");
    });
    const socket = net.connect(edge.httpPort, "127.0.0.1");
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await once(socket, "data");
    socket.destroy();
    await until("the server's connection closed", () => gone === 1);
    // In the middle of an upload as well.
    const upload = net.connect(edge.httpPort, "127.0.0.1");
    const asked = once(origin.server, "request");
    upload.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000\r\n\r\nhalf`);
    await asked;
    upload.destroy();
    await until("the server's connection closed", () => gone === 2);
    await close();
  });

  it("a server that breaks off in the middle is broken off for the client, too", async () => {
    const { host, close } = await serve(open, (_request, response) => {
      response.writeHead(200, { "Content-Length": 100 });
      response.write("half", () => response.destroy());
    });
    await expect(ask(edge.httpPort, { host })).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    const text = await rawAsk(edge.httpPort, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(bodyOf(text).length).toBeLessThan(100);
    await close();
  });

  it("a server that breaks off a chunked answer does not make it look complete", async () => {
    const origin = await startRawOrigin((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"));
    });
    const client = await open(origin.port);
    const text = await rawAsk(edge.httpPort, `GET / HTTP/1.1\r\nHost: ${client.host}\r\n\r\n`);
    expect(text).not.toContain("0\r\n\r\n");
    await client.close();
    await origin.close();
  });

  it("an answer that comes before the upload is complete gets through", async () => {
    const { host, close } = await serve(open, (_request, response) => {
      response.writeHead(413);
      response.end("too large");
    });
    const socket = net.connect(edge.httpPort, "127.0.0.1");
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100000000\r\n\r\n`);
    const part = Buffer.alloc(64 * 1024);
    const write = () => {
      while (socket.writable && !text.includes("too large") && socket.write(part));
    };
    socket.on("drain", write);
    write();
    await until("the answer", () => text.includes("too large"));
    expect(text).toMatch(/^HTTP\/1\.1 413/);
    socket.destroy();
    expect((await ask(edge.httpPort, { host })).status).toBe(413);
    await close();
  });

  it("a refusing local service is 502, and says so", async () => {
    const origin = await startOrigin((_request, response) => response.end("ok"));
    const client = await open(origin.port);
    expect((await ask(edge.httpPort, { host: client.host })).text).toBe("ok");
    await origin.close();
    await until("the refusal", async () => (await ask(edge.httpPort, { host: client.host })).status === 502);
    const answer = await ask(edge.httpPort, { host: client.host });
    expect(answer.headers["airy-error"]).toBe("SERVICE_REFUSED");
    expect(answer.text).toContain("SERVICE_REFUSED");
    await client.close();
  });

  it("a local service that hangs up instead of answering is 502 at once, and the tunnel lives on", async () => {
    const origin = await startRawOrigin((socket, text) => {
      socket.on("data", () =>
        text().startsWith("GET /ok") ? socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") : socket.destroy(),
      );
    });
    const client = await open(origin.port);
    const answer = await ask(edge.httpPort, { host: client.host });
    expect([answer.status, answer.headers["airy-error"]]).toEqual([502, "SERVICE_FAILED"]);
    expect((await ask(edge.httpPort, { host: client.host, path: "/ok" })).text).toBe("ok");
    await client.close();
    await origin.close();
  });

  it.each([
    ["a status below 100", "HTTP/1.1 099 X"],
    ["an upgrade nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket"],
    ["a control character in a header", "HTTP/1.1 200 OK\r\nX: a\x01b"],
    ["what is not HTTP", "SSH-2.0-OpenSSH"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3"],
  ])("a local service that answers with %s is 502, and the tunnel lives on", async (_what, head) => {
    const origin = await startRawOrigin((socket, text) => {
      socket.on("data", () =>
        socket.end(text().startsWith("GET /ok") ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" : `${head}\r\n\r\nok`),
      );
    });
    const client = await open(origin.port);
    const answer = await ask(edge.httpPort, { host: client.host });
    expect([answer.status, answer.headers["airy-error"]]).toEqual([502, "SERVICE_FAILED"]);
    expect((await ask(edge.httpPort, { host: client.host, path: "/ok" })).text).toBe("ok");
    await client.close();
    await origin.close();
  });

  it("a control character in a reason is left out", async () => {
    const origin = await startRawOrigin((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok"));
    });
    const client = await open(origin.port);
    const answer = await ask(edge.httpPort, { host: client.host });
    expect([200, 502]).toContain(answer.status);
    await client.close();
    await origin.close();
  });

  it("interim answers of the server are not taken for its answer", async () => {
    const origin = await startRawOrigin((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    });
    const client = await open(origin.port);
    const text = await rawAsk(edge.httpPort, `GET / HTTP/1.1\r\nHost: ${client.host}\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(bodyOf(text)).toBe("ok");
    await client.close();
    await origin.close();
  });

  it("a server that closes idle connections is asked on a new one", async () => {
    const { host, origin, close } = await serve(open, (_request, response) => response.end("ok"), { keepAliveTimeout: 100 });
    for (let i = 0; i < 3; i++) {
      expect((await ask(edge.httpPort, { host, method: "POST", body: "x" })).text).toBe("ok");
      await until("the idle connection closed by the server", async () => (await connectionsOf(origin.server)) === 0);
    }
    await close();
  });

  it("100 requests at once get their own answers each", async () => {
    const { host, close } = await serve(open, (request, response) => void request.pipe(response));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => ask(edge.httpPort, { host, method: "POST", body: `body ${i}` })),
    );
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 100 }, (_, i) => `body ${i}`));
    await close();
  });
});

function connectionsOf(server: http.Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
}
