/**
 * Requests that programs read differently: each as it is written to a connection. Written for this project; what is known of such
 * differences is in RFC 9112, section 11, and in the advisories of many servers.
 */

export interface Payload {
  name: string;
  bytes: Buffer;
  /** Requests that may arrive: 2 where a second one is really meant. */
  requests: 1 | 2;
  /** What the body is where one arrives; null: it is not looked at. */
  body: string | null;
}

type Parts = {
  line?: string;
  host?: string | null;
  fields?: string;
  body?: string;
  arrives?: string | null;
  requests?: 1 | 2;
  raw?: string;
};

/** @param host of the tunnel. `%N` in a line is where its number goes. */
export function payloads(host: string): Payload[] {
  const evil = `GET /evil HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const found: Payload[] = [];
  const add = (
    name: string,
    { line = "POST /%N HTTP/1.1", host: said = host, fields = "", body = "", arrives = null, requests = 1, raw }: Parts,
  ) => {
    const head = raw ?? `${line}\r\n${said === null ? "" : `Host: ${said}\r\n`}${fields}\r\n${body}`;
    found.push({ name, bytes: Buffer.from(head.replaceAll("%N", `n${found.length}n`), "latin1"), requests, body: arrives });
  };
  const chunked = "5\r\nhello\r\n0\r\n\r\n";
  const hidden = `0\r\n\r\n${evil}`;

  const codings = [
    "chunked", "Chunked", "CHUNKED", " chunked", "\tchunked", "chunked ", "chunked\t", "xchunked", "chunkedx", "chunk", "chunked, identity",
    "identity, chunked", "gzip, chunked", "chunked, gzip", "chunked, chunked", "x, chunked", "chunked;a=b", '"chunked"', "'chunked'", "chun ked",
    "\x0bchunked", "chunked\x0b", "chunked\x0c", "\x00chunked", "chunked\x00", ",chunked", "chunked,", "identity", "", "cow", "chunked\r\n\t",
    "\r\n chunked", "chunked\rx", "chu\r\n nked", "\xa0chunked", "chunked\xff", "trailers, chunked", "chunked\r\nTransfer-Encoding: x",
    "x\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: chunked",
  ]; // prettier-ignore
  for (const coding of codings) {
    const said = JSON.stringify(coding);
    add(`coding ${said}`, { fields: `Transfer-Encoding: ${coding}\r\n`, body: chunked, arrives: "hello" });
    add(`coding ${said} and a length`, { fields: `Content-Length: ${hidden.length}\r\nTransfer-Encoding: ${coding}\r\n`, body: hidden });
    add(`a length and coding ${said}`, { fields: `Transfer-Encoding: ${coding}\r\nContent-Length: 4\r\n`, body: `5c\r\n${evil}0\r\n\r\n` });
  }

  const names = [
    "Transfer-Encoding ", " Transfer-Encoding", "\tTransfer-Encoding", "Transfer-Encoding\t", "Transfer_Encoding", "transfer-encoding",
    "TRANSFER-ENCODING", "Transfer Encoding", "Transfer-Encoding\0", "\0Transfer-Encoding", "Transfer-Encoding\x0b", "X-Transfer-Encoding",
    "Transfer-Encoding:", "\xefTransfer-Encoding", "X: y\rTransfer-Encoding", "X: y\nTransfer-Encoding", "X:\r\n Transfer-Encoding", "Trans\u00adfer-Encoding",
  ]; // prettier-ignore
  for (const name of names) {
    const said = JSON.stringify(name);
    add(`name ${said} and a length`, { fields: `Content-Length: ${hidden.length}\r\n${name}: chunked\r\n`, body: hidden, arrives: hidden });
    add(`name ${said}`, { fields: `${name}: chunked\r\n`, body: chunked });
  }

  const lengths = [
    "5", "+5", "-5", "05", "005", "5 ", " 5", "\t5", "5,5", "5, 5", "5,6", "5;", "0x5", "5.0", "5e0", "5\x0b", "\xb25", "", "5 6", "5\x00", "five",
    "18446744073709551621", "99999999999999999999999", "5\r\nContent-Length: 5", "5\r\nContent-Length: 6", "6\r\nContent-Length: 5",
    "0\r\nContent-Length: 5", "5\r\ncontent_length: 6", "5\r\n 0", "\r\n 5", "5\r\nContent-Length : 0", "4294967301", "1_0", "'5'",
  ]; // prettier-ignore
  for (const length of lengths) {
    const said = JSON.stringify(length);
    for (const method of ["POST", "GET", "DELETE"]) {
      add(`${method} with length ${said}`, {
        line: `${method} /%N HTTP/1.1`,
        fields: `Content-Length: ${length}\r\n`,
        body: "hello",
        arrives: "hello",
      });
    }
  }

  const sizes = [
    "5", "05", "0x5", "+5", "-5", "5;x", "5;x=y", '5;x="y"', '5;x="a\r\nb"', "5 ", " 5", "5\t", "5\r", "g", "", "0000000000000000005", "FFFFFFFFFFFFFFFFF5",
    "5\n", "5;\n", "5\x00", "5\x0b", "5_", `5;${"x".repeat(20_000)}`, "5\r\r", "5 ;x", "5,5",
  ]; // prettier-ignore
  for (const size of sizes) {
    const body = `${size}\r\nhello\r\n0\r\n\r\n`;
    add(`chunk size ${JSON.stringify(size.slice(0, 20))}`, { fields: "Transfer-Encoding: chunked\r\n", body, arrives: "hello" });
  }
  const bodies = [
    "5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "5\r\nhello\r\n0\n\n", "5\r\nhello\r\n0\r\n\n",
    "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", "5\r\nhello\r\n0\r\nHost: evil.test\r\n\r\n", "5\r\nhello\r\n0\r\nTransfer-Encoding: x\r\n\r\n",
    "5\r\nhello\r\n0\r\n folded\r\n\r\n", "5\r\nhello\r\n0\r\nno colon\r\n\r\n", "5\r\nhello\r\n00\r\n\r\n", "6\r\nhello\r\n0\r\n\r\n", "4\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n-0\r\n\r\n", "5\r\nhello\r\n\r\n0\r\n\r\n",
  ]; // prettier-ignore
  for (const body of bodies) add(`chunks ${JSON.stringify(body)}`, { fields: "Transfer-Encoding: chunked\r\n", body });

  const lines = [
    "GET  /%N HTTP/1.1", "GET /%N  HTTP/1.1", "GET\t/%N HTTP/1.1", "GET /%N\tHTTP/1.1", " GET /%N HTTP/1.1", "GET /%N HTTP/1.1 ", "get /%N HTTP/1.1",
    "GET /%N HTTP/2.0", "GET /%N HTTP/0.9", "GET /%N HTTP/1.2", "GET /%N HTTP/1", "GET /%N HTTP/1.10", "GET /%N http/1.1", "GET /%N RTSP/1.0",
    "GET /%N ICE/1.0", "GET /%N", "GET /%N HTTP/1.1\rX", "GET /%N#x HTTP/1.1", "GET /%N?#x HTTP/1.1", "GET %N HTTP/1.1", "GET * HTTP/1.1", "OPTIONS * HTTP/1.1",
    "GET //evil.test/%N HTTP/1.1", "GET http://evil.test/%N HTTP/1.1", "GET \\%N HTTP/1.1", "GET /%N\0 HTTP/1.1", "GET /%N\x7f HTTP/1.1", "GET /%N\xe9 HTTP/1.1",
    "GET /%N x HTTP/1.1", "GET /%N HTTP/1.1\nX: y", "FOO /%N HTTP/1.1", "GET,POST /%N HTTP/1.1", "PRI * HTTP/2.0", "CONNECT evil.test:80 HTTP/1.1",
    "TRACE /%N HTTP/1.1", "GET ?%N HTTP/1.1", "GET /%N HTTP/+1.1", "GET /%N HTTP /1.1", "GET /%N;HTTP/1.1", "\r\nGET /%N HTTP/1.1", "\nGET /%N HTTP/1.1",
    "SOURCE /%N ICE/1.0", "GET /../%N HTTP/1.1", "GET /%N%00 HTTP/1.1", "GET /%N%0d%0aX:y HTTP/1.1", "GET /%N HTTP/1.1\v", "M-SEARCH * HTTP/1.1",
  ]; // prettier-ignore
  for (const line of lines) add(`line ${JSON.stringify(line)}`, { line });

  const hosts = [
    null, "", "evil.test", `${host}, evil.test`, `evil.test, ${host}`, `a@${host}`, `${host}@evil.test`, `${host}/x`, `${host}?x`, `${host}#x`, `${host}:`,
    `${host}:0x50`, `${host}:99999`, `${host}.`, host.toUpperCase(), `${host} `, `\t${host}`, `${host}\t`, `x y.${host}`, `${host}\0`, `${host}\x0b`,
    `[::1]`, "127.0.0.1", `${host}\r\nHost: evil.test`, `evil.test\r\nHost: ${host}`, `${host}\r\nHost: ${host}`, `${host}\r\nhost: evil.test`,
    `${host}\r\nHost : evil.test`, `${host}\r\n Host: evil.test`, `${host}\r\n evil.test`, `${host}\r\nHost_: evil.test`, `${host}\r\nX-Forwarded-Host: evil.test`,
    `${host}\r\nX-Host: evil.test`, `_${host}`, `-${host}`, `*.${host}`, `${host}%00`, `${host}\xe9`, `http://${host}`,
  ]; // prettier-ignore
  for (const said of hosts) add(`host ${JSON.stringify(said)}`, { line: "GET /%N HTTP/1.1", host: said });

  const fields = [
    "X: y\r\n z\r\n", "X\r\n", "X : y\r\n", ": y\r\n", "X:y\0\r\n", "X: a\rb\r\n", "X: a\nY: b\r\n", "X: \x7f\r\n", `X: ${"y".repeat(40_000)}\r\n`, "x: y\r\n".repeat(1_200),
    "X\xe9: y\r\n", "X(: y\r\n", "Connection: Host\r\n", "Connection: Content-Length\r\nContent-Length: 0\r\n", "Connection: X-A\r\nX-A: 1\r\n",
    "Connection: close, Transfer-Encoding\r\n", "Keep-Alive: timeout=5\r\n", "TE: trailers\r\n", "Trailer: X\r\n", "Proxy-Connection: keep-alive\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n", "Upgrade: foo\r\nConnection: Upgrade\r\n", "Expect: 100-continue\r\n",
    "Expect: 100-continue, x\r\n", 'Expect: "100-continue"\r\n', "Expect: x\r\n", "Expect: 100-continue\r\nExpect: 100-continue\r\n", "Content_Length: 5\r\n",
    "X-Forwarded-For: 6.6.6.6\r\n", "Forwarded: for=6.6.6.6\r\n", "X_Forwarded_For: 6.6.6.6\r\n", "Airy-Error: X\r\n", "Cookie: a=b\r\nCookie: c=d\r\n",
    "Range: bytes=0-0,1-1\r\n", "Content-Encoding: gzip\r\n", "Max-Forwards: 0\r\n", "X-HTTP-Method-Override: DELETE\r\n", "\r\r\nX: y\r\n",
  ]; // prettier-ignore
  for (const text of fields) add(`fields ${JSON.stringify(text.slice(0, 60))}`, { line: "GET /%N HTTP/1.1", fields: text });

  add("two requests", { line: "GET /%N HTTP/1.1", body: `GET /%N HTTP/1.1\r\nHost: ${host}\r\n\r\n`, requests: 2 });
  add("a body longer than said", { fields: "Content-Length: 5\r\n", body: "helloworld", arrives: "hello" });
  add("HTTP/1.0 in chunks", { line: "POST /%N HTTP/1.0", fields: "Transfer-Encoding: chunked\r\n", body: hidden });
  add("HTTP/1.0 with a length", { line: "POST /%N HTTP/1.0", fields: "Content-Length: 5\r\n", body: "hello", arrives: "hello" });
  add("only line feeds", { raw: `GET /%N HTTP/1.1\nHost: ${host}\n\n` });
  add("TLS on plain HTTP", { raw: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc" });
  add("nothing but line ends", { raw: "\r\n\r\n\r\n\r\n" });
  return found;
}
