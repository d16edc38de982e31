/**
 * A tunnel through an SSH server that is not ours: one `tcpip-forward` (RFC 4254 section 7.1), each connection that comes through it served
 * here. Reconnecting, liveness and the pinned host key are as with an edge; held webhooks and a name of our own there cannot be.
 */
import type { Client, ClientChannel } from "ssh2";
import { SshChannel } from "../../edge/transport/channel.ts";
import { SSH2_WINDOW, type SshConnection } from "../../edge/transport/connection.ts";
import { ChannelDuplex } from "../../edge/transport/duplex.ts";
import { AiryError } from "../errors.ts";
import { announcedUrl } from "./announced.ts";
import type { Connected, ConnectOptions } from "./connect.ts";
import { DEADLINE_MS, login, reasonOf } from "./login.ts";
import { PlainHttp } from "./plain-http.ts";
import type { Login, PlainServer } from "./types.ts";

/** ssh2 grants 2 MiB to each. */
const MAX_CHANNELS = 128;
/** Of what a server prints, before it has announced a URL. */
const MAX_TEXT = 64 * 1024;
/** An https URL often follows the http one. */
const MORE_MS = 300;

/** What the servers of others offer, without what is broken (SHA-1, CBC, DSA). */
const ALGORITHMS = {
  kex: [
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha256",
  ],
  serverHostKey: ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "rsa-sha2-512", "rsa-sha2-256"],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr", "aes256-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
} as const;

/**
 * @param again the forward was there before: a server that has not noticed the loss of the old connection refuses the port for a while.
 * The function throws AiryError SSH_UNREACHABLE, HOST_KEY_CHANGED, SSH_AUTH, FORWARD_REFUSED or PUBLIC_URL_UNKNOWN.
 */
export function connectPlain(
  server: PlainServer,
  others: readonly Login[],
  again: boolean,
): (options: ConnectOptions) => Promise<Connected> {
  return async (options) => {
    const edge = `${options.edge.host}:${options.edge.port}`;
    let printed = "";
    const said = (text: string): void => {
      if (printed.length < MAX_TEXT) printed += text;
    };
    const { client, connection, hostKey, address } = await login({
      ...options,
      username: server.user,
      keys: [options.identity, ...others],
      // ssh2's types want arrays that can be changed.
      algorithms: structuredClone(ALGORITHMS) as unknown as NonNullable<Parameters<typeof login>[0]["algorithms"]>,
      onBanner: said,
    });
    const http = new PlainHttp((stream, head) => {
      connection.busy();
      options.onRequest(stream, head);
    });
    serve(client, connection, http);
    const refused = (reason: string): AiryError =>
      again
        ? new AiryError("SSH_UNREACHABLE", { edge, reason })
        : new AiryError("FORWARD_REFUSED", { edge, port: server.remotePort, reason });
    try {
      // For "localhost" sshd is content with one of the two families, and services take only that for "wherever you like".
      const bind = options.hello.name ?? (server.publicUrl === null ? "localhost" : "127.0.0.1");
      await forward(client, connection, bind, server.remotePort).catch((error: unknown) => {
        throw connection.ended ? new AiryError("SSH_UNREACHABLE", { edge, reason: reasonOf(connection.error) }) : refused(reasonOf(error));
      });
      const url = server.publicUrl ?? (await announced(client, connection, said, () => printed));
      if (url === null) throw new AiryError("PUBLIC_URL_UNKNOWN", { edge });
      connection.onClose((error) => {
        http.close();
        options.onClose(error);
      });
      return {
        mux: {
          // SSH's own keepalive looks after liveness; its round trip is not told to us.
          ping: () => {},
          get closed() {
            return connection.closed;
          },
          get streams() {
            return http.inFlight;
          },
          send: () => {},
          end: () => http.close(),
        },
        call: () => Promise.reject(new Error("an SSH server that is not an edge holds nothing")),
        welcome: { url, identifier: null },
        connection,
        hostKey,
        address,
      };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  };
}

function serve(client: Client, connection: SshConnection, http: PlainHttp): void {
  client.on("tcp connection", (_details, accept, reject) => {
    if (http.connections >= MAX_CHANNELS) return void reject();
    const original = accept();
    http.serve(
      new ChannelDuplex(new SshChannel(connection, original as unknown as ConstructorParameters<typeof SshChannel>[1], SSH2_WINDOW)),
    );
  });
}

function forward(client: Client, connection: SshConnection, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => connection.destroy(new Error("the server does not answer the request to forward a port")), DEADLINE_MS);
    connection.onClose((error) => {
      clearTimeout(timer);
      reject(error ?? new Error("the server closed the connection"));
    });
    client.forwardIn(address, port, (error) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Opens a terminal, as `ssh` does, because that is where such servers say the URL. Null when they do not. */
function announced(client: Client, connection: SshConnection, said: (text: string) => void, printed: () => string): Promise<string | null> {
  return new Promise((resolve) => {
    let timer = setTimeout(() => resolve(announcedUrl(printed())), DEADLINE_MS);
    const look = (): void => {
      const url = announcedUrl(printed());
      if (url === null) return;
      clearTimeout(timer);
      if (url.startsWith("https:")) resolve(url);
      else timer = setTimeout(() => resolve(announcedUrl(printed())), MORE_MS);
    };
    const hear = (chunk: Buffer): void => {
      said(chunk.toString("utf8"));
      look();
    };
    connection.onClose(() => {
      clearTimeout(timer);
      resolve(null);
    });
    look();
    client.shell(false, (error: Error | undefined, terminal: ClientChannel) => {
      if (error) return resolve(announcedUrl(printed()));
      // What comes later is read and forgotten.
      terminal.on("data", hear);
      terminal.stderr.on("data", hear);
      terminal.on("error", () => {});
      // A login shell that ends at once says no more.
      terminal.on("close", () => resolve(announcedUrl(printed())));
    });
  });
}
