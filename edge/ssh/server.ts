/** The SSH server: our agent on a subsystem, and any `ssh -R` client. Everything that was not asked for by name is refused. */
import net from "node:net";
import ssh2, { type Connection } from "ssh2";
import { EdgeError, refusals } from "../errors.ts";
import type { LimitName } from "../limits.ts";
import { Places } from "../peers/counts.ts";
import { networkOf } from "../peers/network.ts";
import { Pending } from "../peers/pending.ts";
import { unwrapProxied } from "../peers/proxy-protocol.ts";
import { addressOf } from "../peers/trust.ts";
import { SshConnection } from "../transport/connection.ts";
import { authenticate } from "./auth.ts";
import { showBanner } from "./banner.ts";
import { ClientConnection } from "./client.ts";
import { honourRightGuess } from "./first-guess.ts";
import type { SshServerOptions } from "./options.ts";

/**
 * Modern algorithms only; AES-GCM first, because ChaCha20's 32-bit packet counter and CBC-EtM are what Terrapin (CVE-2023-48795) used. The
 * counter mode is for dropbear 2022.83 and paramiko 2.12 (Debian 12), which have no GCM, and dropbear no MAC over the ciphertext.
 */
const KEX = "curve25519-sha256";
const HOST_KEY = "ssh-ed25519";
const ALGORITHMS: ssh2.Algorithms = {
  kex: [KEX, "curve25519-sha256@libssh.org"],
  serverHostKey: [HOST_KEY],
  cipher: ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr"],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256"],
  compress: ["none"],
};

/** From the first byte to a proven key. */
const LOGIN_GRACE_MS = 10_000;
/** A client whose key would do gets this long to prove it: somebody may be typing a passphrase. */
const TYPING_GRACE_MS = 60_000;

export interface RunningSshServer {
  port: number;
  /** A connection that came to another port. */
  accept(socket: net.Socket): void;
  /** Sockets that have not proven a key. */
  unauthenticated(): number;
  /** Stops accepting; tunnels stay. */
  stopAccepting(): void;
  /** Ends every connection at once. */
  close(): void;
}

/** Throws EDGE_ADDRESS. */
export async function startSshServer(options: SshServerOptions): Promise<RunningSshServer> {
  const server = new SshServer(options);
  await server.listen();
  return server;
}

class SshServer implements RunningSshServer {
  readonly #options: SshServerOptions;
  readonly #logins: Pending;
  readonly #perKey = new Places();
  readonly #perNetwork = new Places();
  readonly #sockets = new Set<net.Socket>();
  readonly #listener: net.Server;
  readonly #server: ssh2.Server;

  constructor(options: SshServerOptions) {
    this.#options = options;
    this.#logins = new Pending(() => {
      const limits = options.limits();
      return { total: limits["ssh-logins"], perNetwork: limits["ssh-logins-per-network"], graceMs: LOGIN_GRACE_MS };
    });
    this.#server = new ssh2.Server(
      {
        hostKeys: [options.hostKey],
        ident: "airy-edge",
        algorithms: ALGORITHMS,
        // transport/connection.ts looks after liveness. 0 would mean ssh2's default of 15 s, so: as rarely as a timer can.
        keepaliveInterval: 2 ** 31 - 1,
      },
      (client, { header }) => this.#onClient(client, header.versions.software.startsWith("ssh2js")),
    );
    this.#listener = net.createServer({ noDelay: true }, (socket) => {
      unwrapProxied(socket, options.trust, (unwrapped) => this.accept(unwrapped));
    });
  }

  get port(): number {
    return (this.#listener.address() as net.AddressInfo).port;
  }

  async listen(): Promise<void> {
    const { host, port, log } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#listener.once("error", (error: NodeJS.ErrnoException) => {
        reject(new EdgeError("EDGE_ADDRESS", `ssh ${host}:${port}: ${error.code}`));
      });
      this.#listener.listen(port, host, () => resolve());
    });
    this.#listener.on("error", (error) => log(`ssh listener: ${error.message}`));
  }

  accept(socket: net.Socket): void {
    const refused = this.#enter(socket);
    if (refused) {
      this.#options.onRefused(refused);
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    this.#server.injectSocket(socket);
  }

  /** The limit that a new connection exceeds; null: it has its places. */
  #enter(socket: net.Socket): LimitName | null {
    const network = networkOf(addressOf(socket));
    if (!this.#perNetwork.take(network, this.#options.limits()["ssh-connections-per-network"])) return "ssh-connections-per-network";
    if (!this.#logins.begin(socket)) {
      this.#perNetwork.give(network);
      return "ssh-logins";
    }
    socket.once("close", () => this.#perNetwork.give(network));
    return null;
  }

  unauthenticated(): number {
    return this.#logins.size;
  }

  stopAccepting(): void {
    this.#listener.close();
  }

  close(): void {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** @param isLibrary our own client is made with ssh2, and shows no banner. */
  #onClient(client: Connection, isLibrary: boolean): void {
    honourRightGuess(client, KEX, HOST_KEY);
    const connection = new SshConnection(client, true);
    const { socket } = connection;
    const address = addressOf(socket);
    let key: Buffer | null = null;
    authenticate(client, {
      allowed: (offered) => this.#options.allowed({ key: offered, address }),
      onOffer: () => this.#logins.extend(socket, TYPING_GRACE_MS),
      onKey: (proven) => {
        key = proven;
        const url = isLibrary ? null : this.#options.urlOfKey(proven);
        if (url !== null) showBanner(client, `${url} (with -R 80:localhost:PORT; another name: -R NAME:80:localhost:PORT)`);
      },
    });
    client.once("ready", () => {
      this.#logins.end(socket);
      if (!key) connection.destroy();
      else if (this.#admit(connection, key)) new ClientConnection(this.#options, client, connection, { key, address }).serve();
    });
  }

  /** Counts a connection of this key; one too many is told to go. */
  #admit(connection: SshConnection, key: Buffer): boolean {
    const id = key.toString("base64");
    if (!this.#perKey.take(id, this.#options.limits()["ssh-connections-per-key"])) {
      this.#options.onRefused("ssh-connections-per-key");
      this.#options.log(`refused a connection: ${refusals.TOO_MANY_CONNECTIONS}`);
      connection.end();
      return false;
    }
    connection.onClose(() => this.#perKey.give(id));
    return true;
  }
}
