/** TLS with a certificate in files: what is served on the HTTPS port, and what becomes of files that change. */
import { execFile, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startEdge } from "../../../edge/index.ts";
import { ask, DOMAIN, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge, type TestTunnel } from "../../support/edge.ts";
import { openSsh, writeKey } from "../../support/ssh.ts";
import { askSecurely, makeCa, type TestCa } from "./support.ts";

const listen = { host: "127.0.0.1", port: 0 };
let ca: TestCa;
let edge: TestEdge;
let origin: Origin;
let tunnel: TestTunnel;
let port: number;
let name: string;
beforeAll(async () => {
  ca = makeCa();
  edge = await openEdge({ https: listen, tls: { mode: "files", ...ca.issue("edge", [`*.${DOMAIN}`]) }, redirect: true });
  port = edge.edge.httpsPort!;
  origin = await startOrigin((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method, url, rawHeaders } = request;
      response.setHeader("Set-Cookie", ["a=1", "b=2"]);
      response.end(
        url === "/large"
          ? Buffer.alloc(5_000_000, "x")
          : JSON.stringify({ method, url, rawHeaders, body: Buffer.concat(chunks).toString() }),
      );
    });
  });
  tunnel = await openTunnel(edge, origin.port);
  name = tunnel.host.replace(/:\d+$/, "");
});
afterAll(async () => {
  await tunnel.tunnel.close();
  await edge.close();
  await origin.close();
  ca.remove();
});

interface Seen {
  method: string;
  url: string;
  rawHeaders: string[];
  body: string;
}
const fields = (seen: Seen, field: string) =>
  seen.rawHeaders.filter((_, i) => i % 2 === 1 && seen.rawHeaders[i - 1]!.toLowerCase() === field);

interface H2Answer {
  headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
  text: string;
}
const connectH2 = () =>
  http2.connect(`https://${name}:${port}`, {
    ca: ca.cert,
    createConnection: () => tls.connect({ host: "127.0.0.1", port, servername: name, ca: ca.cert, ALPNProtocols: ["h2"] }),
  });
const send = (session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body = "") =>
  new Promise<H2Answer>((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === "" });
    let text = "";
    let answered: H2Answer["headers"] = {};
    stream.on("response", (head) => (answered = head));
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
    stream.on("error", reject);
    stream.on("end", () => resolve({ headers: answered, text }));
    if (body !== "") stream.end(body);
  });

describe("what clients are told", () => {
  it("an https URL, and http is served as before", async () => {
    expect(tunnel.url).toBe(`https://${name}:${port}`);
    const plain = JSON.parse((await ask(edge.httpPort, { host: name })).text) as Seen;
    expect(fields(plain, "x-forwarded-proto")).toEqual(["http"]);
  });

  it("only who opens a page by http is sent to https", async () => {
    const browser = { "Upgrade-Insecure-Requests": "1" };
    const sent = await ask(edge.httpPort, { host: name, path: "/a?b=c", headers: browser });
    expect([sent.status, sent.headers.location]).toEqual([307, `https://${name}:${port}/a?b=c`]);
    expect((await ask(edge.httpPort, { host: name, method: "POST", headers: browser })).status).toBe(200);
    expect((await askSecurely(port, ca.cert, { host: name, headers: browser })).status).toBe(200);
  });
});

describe("HTTP/1.1 by TLS", () => {
  it("says https to the local service", async () => {
    const answer = await askSecurely(port, ca.cert, {
      host: name,
      method: "POST",
      path: "/x",
      body: "hello",
      headers: { "X-Forwarded-Proto": "http" },
    });
    const seen = JSON.parse(answer.text) as Seen;
    expect([seen.method, seen.url, seen.body]).toEqual(["POST", "/x", "hello"]);
    expect(fields(seen, "x-forwarded-proto")).toEqual(["https"]);
    expect(fields(seen, "x-forwarded-for")).toEqual(["127.0.0.1"]);
  });

  it("frees a connection that says nothing after its handshake, and one that has not come to its end", async () => {
    const silent = tls.connect({ host: "127.0.0.1", port, servername: name, ca: ca.cert, ALPNProtocols: ["http/1.1"] });
    const mute = net.connect(port, "127.0.0.1");
    const half = net.connect(port, "127.0.0.1", () => half.write(Buffer.from([0x16, 3, 1])));
    const rubbish = net.connect(port, "127.0.0.1", () => rubbish.write("GET / HTTP/1.1\r\n\r\n"));
    for (const socket of [silent, mute, half, rubbish]) socket.on("error", () => {}).resume();
    await Promise.all([silent, mute, half, rubbish].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  }, 40_000);
});

describe("HTTP/2", () => {
  it("requests arrive as they would by HTTP/1.1", async () => {
    const session = connectH2();
    const { headers, text } = await send(
      session,
      { ":method": "POST", ":path": "/h2?x=1", cookie: ["a=1", "b=2"], "x-forwarded-proto": "http" },
      "body",
    );
    const seen = JSON.parse(text) as Seen;
    expect([headers[":status"], seen.method, seen.url, seen.body]).toEqual([200, "POST", "/h2?x=1", "body"]);
    expect(fields(seen, "host")).toEqual([`${name}:${port}`]);
    expect(fields(seen, "cookie")).toEqual(["a=1; b=2"]);
    expect(fields(seen, "x-forwarded-proto")).toEqual(["https"]);
    expect(seen.rawHeaders.some((each) => each.startsWith(":"))).toBe(false);
    expect(headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    session.close();
  });

  it("many at once, large ones and HEAD", async () => {
    const session = connectH2();
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => send(session, { ":path": i % 10 === 0 ? "/large" : `/${i}` })));
    for (const [i, { text }] of answers.entries()) {
      if (i % 10 === 0) expect(text.length).toBe(5_000_000);
      else expect((JSON.parse(text) as Seen).url).toBe(`/${i}`);
    }
    const head = await send(session, { ":method": "HEAD", ":path": "/" });
    expect([head.headers[":status"], head.text]).toEqual([200, ""]);
    session.close();
  });

  it("says with a code what is not forwarded, and goes on", async () => {
    const session = connectH2();
    const codeOf = async (headers: http2.OutgoingHttpHeaders) => {
      const answer = await send(session, headers);
      return [answer.headers[":status"], answer.headers["airy-error"]];
    };
    expect(await codeOf({ ":authority": `nobody.${DOMAIN}` })).toEqual([404, "TUNNEL_NOT_FOUND"]);
    expect(await codeOf({ ":method": "OPTIONS", ":path": "*" })).toEqual([400, "BAD_TARGET"]);
    expect(await codeOf({ ":authority": name, host: `other.${DOMAIN}` })).toEqual([400, "BAD_HOST"]);
    expect(await codeOf({ ":path": "/", ":scheme": "http" })).toEqual([400, "BAD_REQUEST"]);
    expect(await codeOf({ ":authority": "elsewhere.example" })).toEqual([404, "TUNNEL_NOT_FOUND"]);
    expect((await send(session, { ":path": "/" })).headers[":status"]).toBe(200);
    session.close();
  });

  it("a client that opens streams only to give them up is sent away, and nobody else notices", async () => {
    const session = connectH2();
    session.on("error", () => {});
    await new Promise((resolve) => session.once("connect", resolve));
    const gone = new Promise((resolve) => session.once("close", resolve));
    const flood = setInterval(() => {
      for (let i = 0; i < 100 && !session.closed && !session.destroyed; i++) {
        const stream = session.request({ ":path": "/" });
        stream.on("error", () => {});
        stream.close(http2.constants.NGHTTP2_CANCEL);
      }
    }, 10);
    await gone;
    clearInterval(flood);
    const other = connectH2();
    expect((await send(other, { ":path": "/" })).headers[":status"]).toBe(200);
    other.close();
  }, 60_000);
});

it("a request for a host that the connection was not opened for gets 421", async () => {
  const files = ca.issue("one", [`one.${DOMAIN}`]);
  const narrow = await openEdge({ https: listen, tls: { mode: "files", ...files } });
  const ask421 = (servername: string) =>
    new Promise<number>((resolve, reject) => {
      const socket = tls.connect({
        host: "127.0.0.1",
        port: narrow.edge.httpsPort!,
        servername,
        ca: ca.cert,
        checkServerIdentity: () => undefined,
      });
      socket.on("error", reject);
      socket.on("data", (chunk: Buffer) => resolve(Number(chunk.toString().split(" ")[1])));
      socket.write(`GET / HTTP/1.1\r\nHost: two.${DOMAIN}\r\nConnection: close\r\n\r\n`);
    });
  expect(await ask421(`one.${DOMAIN}`)).toBe(421);
  expect(await ask421(`two.${DOMAIN}`)).toBe(404);
  await narrow.close();
});

describe("SSH on the HTTPS port", () => {
  it("serves our own client and OpenSSH's", async () => {
    const own = await openTunnel({ ...edge, sshPort: port } as TestEdge, origin.port);
    expect((await askSecurely(port, ca.cert, { host: own.host.replace(/:\d+$/, ""), path: "/own" })).status).toBe(200);
    await own.tunnel.close();
    const key = await writeKey();
    const ssh = openSsh(port, key, ["-R", `80:127.0.0.1:${origin.port}`]);
    const [, host = ""] = (await ssh.wrote(/https:\/\/([a-z0-9.-]+)/))!;
    expect((await askSecurely(port, ca.cert, { host, path: "/ssh" })).status).toBe(200);
    await ssh.stop();
    await key.remove();
  });

  it("also when the greeting comes letter by letter", async () => {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", () => {});
    for (const letter of "SSH-2.0-slow\r\n") {
      socket.write(letter);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until("the edge's greeting", () => text.startsWith("SSH-2.0-airy-edge"));
    socket.destroy();
  });
});

describe("files", () => {
  const serialOf = (at: number) =>
    new Promise<string>((resolve, reject) => {
      const socket = tls.connect({ host: "127.0.0.1", port: at, servername: `x.${DOMAIN}`, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
      socket.on("error", reject);
    });

  it("are read again when they change; the old certificate stays when that fails", async () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "airy-tls-"));
    const files = { cert: path.join(dir, "c.pem"), key: path.join(dir, "k.pem") };
    const put = (from: { cert: string; key: string }) => {
      copyFileSync(from.cert, files.cert);
      copyFileSync(from.key, files.key);
    };
    put(ca.issue("first", [`*.${DOMAIN}`]));
    const changing = await openEdge({ https: listen, tls: { mode: "files", ...files } });
    const at = changing.edge.httpsPort!;
    const first = await serialOf(at);
    put(ca.issue("second", [`*.${DOMAIN}`]));
    changing.edge.reload();
    const second = await serialOf(at);
    expect(second).not.toBe(first);
    writeFileSync(files.key, "not a key");
    changing.edge.reload();
    expect(await serialOf(at)).toBe(second);
    expect(changing.logs.some((line) => line.includes("the certificate in use stays"))).toBe(true);
    rmSync(files.cert);
    changing.edge.reload();
    expect(await serialOf(at)).toBe(second);
    // Without being told.
    put(ca.issue("third", [`*.${DOMAIN}`]));
    await until("the third certificate", async () => (await serialOf(at)) !== second, 20_000);
    await changing.close();
    rmSync(dir, { recursive: true });
  });

  it("that cannot be used are said at the start, and nothing is left behind", async () => {
    const good = ca.issue("good", [`*.${DOMAIN}`]);
    const other = ca.issue("other", [`*.${DOMAIN}`]);
    const dir = mkdtempSync(path.join(os.tmpdir(), "airy-tls-"));
    const start = (cert: string, key: string) =>
      startEdge({
        domain: DOMAIN,
        ssh: listen,
        http: listen,
        https: listen,
        admin: null,
        dataDir: dir,
        hostKey: null,
        publicPort: null,
        tls: { mode: "files", cert, key },
        log: () => {},
      });
    await expect(start("/nowhere.pem", good.key)).rejects.toMatchObject({
      code: "EDGE_TLS",
      detail: expect.stringContaining("ENOENT") as string,
    });
    await expect(start(good.cert, other.key)).rejects.toMatchObject({
      code: "EDGE_TLS",
      detail: expect.stringContaining("does not belong") as string,
    });
    await expect(start(good.key, good.key)).rejects.toMatchObject({ code: "EDGE_TLS" });
    rmSync(dir, { recursive: true });
  });
});

const scan = spawnSync("sslscan", ["--version"]).error === undefined;
it.skipIf(!scan)(
  "sslscan finds nothing old",
  async () => {
    // Not at once: the edge lives in this process.
    const { stdout } = await promisify(execFile)("sslscan", [
      "--no-colour",
      "--show-certificate",
      `--sni-name=${name}`,
      `127.0.0.1:${port}`,
    ]);
    expect(stdout).toContain("TLSv1.3   enabled");
    for (const old of ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"]) expect(stdout).toMatch(new RegExp(`^${old}\\s+disabled`, "m"));
    expect(stdout).not.toMatch(/(?<!not )vulnerable to heartbleed/i);
    const ciphers = [...stdout.matchAll(/^(?:Preferred|Accepted)\s+TLSv1\.\d\s+\d+ bits\s+(\S+)/gm)].map(([, cipher = ""]) => cipher);
    expect(ciphers.length).toBeGreaterThan(3);
    expect(ciphers.filter((cipher) => !/^(TLS_|ECDHE-).*(GCM|CHACHA20|POLY1305)/.test(cipher))).toEqual([]);
    expect(stdout).not.toContain("Insecure");
  },
  120_000,
);
