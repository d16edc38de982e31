/** A webhook receiver on a real socket: answers the handshake, records what arrives. */
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  method: string;
  url: URL;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

export type Reaction = (request: Received, res: http.ServerResponse) => void;

export interface Receiver {
  url: string;
  requests: Received[];
  /** Replaces what is answered from now on. */
  react(reaction: Reaction): void;
  /** Resolves with the n-th recorded request (counted from 0) that matches. */
  nth(n: number, matches: (request: Received) => boolean): Promise<Received>;
  close(): Promise<void>;
}

/** Echoes the challenge when the verify token is right, acknowledges deliveries. */
export function platformLike(verifyToken: string): Reaction {
  return ({ method, url }, res) => {
    if (method !== "GET") return void res.writeHead(200).end();
    if (url.searchParams.get("hub.verify_token") !== verifyToken) return void res.writeHead(403).end("wrong verify token");
    res.writeHead(200, { "content-type": "text/plain" }).end(url.searchParams.get("hub.challenge"));
  };
}

export async function startReceiver(reaction: Reaction): Promise<Receiver> {
  let react = reaction;
  const requests: Received[] = [];
  const waiting = new Set<() => void>();
  const server = http.createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      const url = new URL(req.url ?? "/", "http://receiver");
      const request = { method: req.method ?? "", url, headers: req.headers, body: Buffer.concat(chunks) };
      requests.push(request);
      react(request, res);
      for (const check of waiting) check();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    react(reaction) {
      react = reaction;
    },
    nth(n, matches) {
      return new Promise((resolve) => {
        const check = () => {
          const found = requests.filter(matches)[n];
          if (!found) return;
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        check();
      });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
