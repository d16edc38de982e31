/**
 * A small HTTP proxy as companies have one: CONNECT for everything else than http. It knows every name, and leads all of them to this
 * machine.
 */
import http from "node:http";
import net from "node:net";

export interface ConnectProxy extends AsyncDisposable {
  url: string;
  /** What was asked for, e.g. `CONNECT edge.example:22`. */
  asked: string[];
  /** Authorization that came along. */
  authorizations: (string | undefined)[];
}

/** @param answer status for what is asked for; 200 connects to the same port on 127.0.0.1. */
export async function startConnectProxy(answer: (asked: string) => number = () => 200): Promise<ConnectProxy> {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const sockets = new Set<net.Socket>();
  const note = (request: http.IncomingMessage): number => {
    asked.push(`${request.method} ${request.url}`);
    authorizations.push(request.headers["proxy-authorization"]);
    return answer(request.url ?? "");
  };
  const server = http.createServer((request, response) => {
    response.writeHead(note(request)).end(`for ${request.url}`);
  });
  server.on("connection", (socket) => sockets.add(socket.on("error", () => {})));
  server.on("connect", (request, client, head) => {
    const status = note(request);
    if (status !== 200) return client.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const target = net.connect({ host: "127.0.0.1", port: Number(request.url?.split(":").at(-1)) });
    sockets.add(target);
    target.on("error", () => client.destroy());
    // In one piece with the first words of the other end, as it may come.
    target.once("data", (first: Buffer) => {
      client.write(Buffer.concat([Buffer.from("HTTP/1.1 200 Connected\r\n\r\n"), first]));
      target.pipe(client);
    });
    const speaksFirst = setTimeout(
      () => client.write("HTTP/1.1 200 Connected\r\n\r\n") && target.removeAllListeners("data").pipe(client),
      200,
    );
    target.once("data", () => clearTimeout(speaksFirst));
    target.write(head);
    client.pipe(target);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    asked,
    authorizations,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
