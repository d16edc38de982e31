/**
 * The HTTPS port. Both TLS and SSH begin with what the client says, and differently: so one port serves both, for those whose office lets
 * nothing out but 443. Decided once, by the first bytes.
 */
import net from "node:net";
import tls from "node:tls";
import { EdgeError } from "../errors.ts";
import { Pending } from "../peers/pending.ts";
import { unwrapProxied } from "../peers/proxy-protocol.ts";
import { addressOf, announce, type Trust } from "../peers/trust.ts";
import { ACME_ALPN } from "./acme/challenges.ts";
import { TLS_OPTIONS, type Certificate, type Certificates } from "./certificate.ts";

/** From the connection to the end of the TLS handshake, or to a first line that says SSH. */
const HANDSHAKE_MS = 10_000;
/** Connections that have not come that far: in all, and from one network. */
const PENDING = { total: 2_048, perNetwork: 512, graceMs: HANDSHAKE_MS };
/** First bytes of a TLS record that is a handshake (RFC 8446 section 5.1), and of SSH's greeting (RFC 4253 section 4.2). */
const TLS_HANDSHAKE = 0x16;
const SSH_GREETING = Buffer.from("SSH-");

export interface FrontOptions {
  host: string;
  port: number;
  certificates: Certificates;
  trust: Trust;
  /** Whether a connection that begins TLS may stay. */
  enter: (socket: net.Socket) => boolean;
  /** A connection whose handshake is over, for `h2` or HTTP/1.1 as it says itself. */
  onSecure: (socket: tls.TLSSocket) => void;
  onSsh: (socket: net.Socket) => void;
  log: (line: string) => void;
}

export interface RunningFront {
  port: number;
  /** Handshakes that came to nothing. */
  failed(): number;
  stopAccepting(): void;
  close(): void;
}

/** Throws EDGE_ADDRESS. */
export async function startFront(options: FrontOptions): Promise<RunningFront> {
  const front = new Front(options);
  await front.listen();
  return front;
}

class Front implements RunningFront {
  readonly #options: FrontOptions;
  readonly #listener: net.Server;
  readonly #tls: tls.Server;
  readonly #challenged: tls.Server;
  readonly #pending = new Pending(() => PENDING);
  #fallback: Certificate | null = null;
  #failed = 0;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#listener = net.createServer({ noDelay: true }, (socket) => {
      unwrapProxied(socket, options.trust, (unwrapped) => this.#onSocket(unwrapped));
    });
    this.#tls = tls.createServer({
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: HANDSHAKE_MS,
      ...TLS_OPTIONS,
      SNICallback: (servername, done) => this.#choose(servername, done),
    });
    this.#challenged = tls.createServer({
      ALPNProtocols: [ACME_ALPN],
      handshakeTimeout: HANDSHAKE_MS,
      SNICallback: (servername, done) => {
        const context = options.certificates.challengeContext(servername.toLowerCase());
        if (context) done(null, context);
        else done(new Error(`nobody is asked to prove ${servername}`));
      },
    });
    this.#challenged.on("tlsClientError", (_error, socket) => socket.destroy());
    // Its handshake is all that an authority wants (RFC 8737 section 3).
    this.#challenged.on("secureConnection", (socket) => socket.on("error", () => {}).destroy());
    this.#tls.on("tlsClientError", (_error, socket) => {
      this.#failed += 1;
      socket.destroy();
    });
    this.#tls.on("secureConnection", (socket) => {
      socket.on("error", () => socket.destroy());
      const raw = rawOf(socket);
      this.#pending.end(raw);
      announce(socket, addressOf(raw));
      this.#options.onSecure(socket);
    });
  }

  get port(): number {
    return (this.#listener.address() as net.AddressInfo).port;
  }

  async listen(): Promise<void> {
    const { host, port, log } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#listener.once("error", (error: NodeJS.ErrnoException) => {
        reject(new EdgeError("EDGE_ADDRESS", `https ${host}:${port}: ${error.code}`));
      });
      this.#listener.listen(port, host, () => resolve());
    });
    this.#listener.on("error", (error) => log(`https listener: ${error.message}`));
  }

  failed(): number {
    return this.#failed;
  }

  stopAccepting(): void {
    this.#listener.close();
  }

  close(): void {
    this.#listener.close();
    this.#pending.close();
  }

  // ------------------------------------------------------------------ until it is decided

  #onSocket(socket: net.Socket): void {
    socket.on("error", () => socket.destroy());
    if (!this.#pending.begin(socket)) {
      socket.destroy();
      return;
    }
    let seen = Buffer.alloc(0);
    const look = () => {
      const chunk = socket.read() as Buffer | null;
      if (!chunk) return;
      seen = Buffer.concat([seen, chunk]);
      const isTls = seen[0] === TLS_HANDSHAKE;
      if (!isTls && !seen.subarray(0, 4).equals(SSH_GREETING.subarray(0, seen.length))) socket.destroy();
      if (socket.destroyed || (!isTls && seen.length < SSH_GREETING.length)) return;
      socket.off("readable", look);
      socket.unshift(seen);
      if (isTls) this.#onHello(socket, seen);
      else {
        this.#pending.end(socket);
        this.#options.onSsh(socket);
      }
    };
    socket.on("readable", look);
    // One who has gone before it was decided would keep the other half open.
    socket.once("end", () => {
      if (this.#pending.has(socket)) socket.destroy();
    });
  }

  // ------------------------------------------------------------------ TLS

  #onHello(socket: net.Socket, hello: Buffer): void {
    if (!this.#options.enter(socket)) socket.destroy();
    // Node tells what a client offers only after the certificate was chosen. An authority's hello comes in one piece.
    else if (hello.includes(ACME_ALPN)) this.#challenged.emit("connection", socket);
    else this.#secure(socket);
  }

  #secure(socket: net.Socket): void {
    const fallback = this.#options.certificates.fallback();
    if (fallback && fallback !== this.#fallback) {
      this.#fallback = fallback;
      // For clients that name no host.
      this.#tls.setSecureContext({ ...fallback.pem, ...TLS_OPTIONS });
    }
    this.#tls.emit("connection", socket);
  }

  #choose(servername: string, done: (error: Error | null, context?: tls.SecureContext) => void): void {
    const choose = (certificate: Certificate | null) => {
      if (certificate) done(null, certificate.context);
      else done(new Error(`there is no certificate for ${servername}`));
    };
    const found = this.#options.certificates.of(servername.toLowerCase());
    if (found instanceof Promise) found.then(choose, done);
    else choose(found);
  }
}

/** The connection below TLS (lib/_tls_wrap.js). */
function rawOf(socket: tls.TLSSocket): net.Socket {
  return (socket as tls.TLSSocket & { _parent: net.Socket })._parent;
}
