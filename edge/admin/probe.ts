/**
 * Readiness that has been seen: the edge keeps a tunnel of its own to itself, and sends a request through the public listener, the tunnel
 * and back every few seconds. "Ready" means that one came back a moment ago, not that sockets are open.
 */
import http from "node:http";
import { randomUUID } from "node:crypto";
import ssh2 from "ssh2";
import { generateKey } from "../names/key.ts";
import { SshChannel } from "../transport/channel.ts";
import { SSH2_WINDOW, SshConnection } from "../transport/connection.ts";
import { Mux } from "../transport/mux.ts";
import type { MuxStream } from "../transport/stream.ts";
import { FrameType, SUBSYSTEM } from "../wire/frames.ts";
import { Hello, Welcome } from "../wire/messages.ts";

const EVERY_MS = 3_000;
const FRESH_MS = 10_000;
const DEADLINE_MS = 5_000;

export interface ProbeKey {
  /** OpenSSH format. */
  privateKey: string;
  /** SSH key blob. */
  blob: Buffer;
}

export interface Probe {
  /** Milliseconds since a request last came back; Infinity before the first. */
  age(): number;
  fresh(): boolean;
  close(): void;
}

/** A key that lives as long as this process. */
export function makeProbeKey(): ProbeKey {
  const { privateKey } = generateKey("airy edge probe");
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw key;
  return { privateKey, blob: key.getPublicSSH() };
}

export interface ProbeOptions {
  key: ProbeKey;
  /** What the listeners are bound to. */
  ssh: { host: string; port: number };
  http: { host: string; port: number };
  domain: string;
  /** `ssh-ed25519 AAAA...` */
  hostKey: string;
}

export function startProbe(options: ProbeOptions): Probe {
  return new EdgeProbe(options);
}

class EdgeProbe implements Probe {
  readonly #options: ProbeOptions;
  readonly #timer: NodeJS.Timeout;
  #succeededAt = Number.NEGATIVE_INFINITY;
  #connection: SshConnection | null = null;
  #name: string | null = null;
  #closed = false;

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#timer = setInterval(this.#look, EVERY_MS);
    this.#timer.unref();
    this.#connect();
  }

  age(): number {
    return performance.now() - this.#succeededAt;
  }

  fresh(): boolean {
    return this.age() < FRESH_MS;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#connection?.destroy();
  }

  #connect(): void {
    const { ssh, key, hostKey } = this.#options;
    const client = new ssh2.Client();
    client.connect({
      host: reachable(ssh.host),
      port: ssh.port,
      username: "probe",
      privateKey: key.privateKey,
      hostVerifier: (offered: Buffer) => offered.toString("base64") === hostKey.split(" ")[1],
      algorithms: { cipher: ["aes128-gcm@openssh.com"] },
      readyTimeout: DEADLINE_MS,
      keepaliveInterval: 0,
    });
    const current = new SshConnection(client, false);
    this.#connection = current;
    current.onClose(() => {
      if (this.#connection === current) this.#connection = this.#name = null;
    });
    client.once("ready", () => {
      client.subsys(SUBSYSTEM, (error, original) => {
        if (error) return current.destroy(error);
        const channel = original as unknown as ConstructorParameters<typeof SshChannel>[1];
        this.#serve(current, new SshChannel(current, channel, SSH2_WINDOW));
      });
    });
  }

  #serve(current: SshConnection, channel: SshChannel): void {
    const mux = new Mux(
      channel,
      {
        onRequest: (stream, { target }) => echo(stream, target),
        onMessage: (type, payload) => {
          if (type !== FrameType.WELCOME) return;
          this.#name = Welcome.parse(JSON.parse(payload.toString())).identifier;
          // The edge has taken the tunnel in before the next turn; so a fresh edge is ready soon.
          setImmediate(this.#look);
        },
        onClose: () => current.destroy(),
      },
      (error) => current.destroy(error),
    );
    current.ping = () => mux.ping();
    mux.send(FrameType.HELLO, Hello.parse({ agent: "probe", ephemeral: true, instance: randomUUID() }));
  }

  readonly #look = (): void => {
    if (this.#closed) return;
    if (!this.#connection) return this.#connect();
    if (this.#name !== null) this.#ask(`${this.#name}.${this.#options.domain}`);
  };

  #ask(host: string): void {
    const { host: listener, port } = this.#options.http;
    const path = `/${randomUUID()}`;
    const asked = { host: reachable(listener), port, path, headers: { host }, timeout: DEADLINE_MS, agent: false };
    const request = http.get(asked, (response) => {
      let text = "";
      response.setEncoding("latin1");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        if (response.statusCode === 200 && text === path) this.#succeededAt = performance.now();
      });
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => {});
  }
}

/** Answers with the target, which holds a value that nobody else knows. */
function echo(stream: MuxStream, target: string): void {
  const ignore = (): void => {};
  stream.handler = { onData: ignore, onEnd: ignore, onReset: ignore, onDrain: ignore };
  stream.respond({ status: 200, reason: "OK", headers: ["Content-Length", String(target.length)], end: false, upgrade: false });
  stream.write(Buffer.from(target));
  stream.end();
}

/** A listener on every address is reached by loopback. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
