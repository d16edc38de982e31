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
  let succeededAt = Number.NEGATIVE_INFINITY;
  let connection: SshConnection | null = null;
  let name: string | null = null;
  let closed = false;

  function connect(): void {
    const client = new ssh2.Client();
    client.connect({
      host: reachable(options.ssh.host),
      port: options.ssh.port,
      username: "probe",
      privateKey: options.key.privateKey,
      hostVerifier: (key: Buffer) => key.toString("base64") === options.hostKey.split(" ")[1],
      algorithms: { cipher: ["aes128-gcm@openssh.com"] },
      readyTimeout: DEADLINE_MS,
      keepaliveInterval: 0,
    });
    const current = new SshConnection(client, false);
    connection = current;
    current.onClose(() => {
      if (connection === current) connection = name = null;
    });
    client.once("ready", () => {
      client.subsys(SUBSYSTEM, (error, original) => {
        if (error) current.destroy(error);
        else serve(current, new SshChannel(current, original as unknown as ConstructorParameters<typeof SshChannel>[1], SSH2_WINDOW));
      });
    });
  }

  /** Answers every request with 200 and its own target, which holds a value that nobody else knows. */
  function serve(current: SshConnection, channel: SshChannel): void {
    const mux = new Mux(
      channel,
      {
        onRequest: (stream, { target }) => {
          const ignore = () => {};
          stream.handler = { onData: ignore, onEnd: ignore, onReset: ignore, onDrain: ignore };
          stream.respond({ status: 200, reason: "OK", headers: ["Content-Length", String(target.length)], end: false, upgrade: false });
          stream.write(Buffer.from(target));
          stream.end();
        },
        onMessage: (type, payload) => {
          if (type !== FrameType.WELCOME) return;
          name = Welcome.parse(JSON.parse(payload.toString())).identifier;
          // The edge has taken the tunnel in before the next turn; so a fresh edge is ready soon.
          setImmediate(look);
        },
        onClose: () => current.destroy(),
      },
      (error) => current.destroy(error),
    );
    current.ping = () => mux.ping();
    mux.send(FrameType.HELLO, Hello.parse({ agent: "probe", ephemeral: true, instance: randomUUID() }));
  }

  function look(): void {
    if (closed) return;
    if (!connection) {
      connect();
      return;
    }
    if (!name) return;
    const target = `/${randomUUID()}`;
    const request = http.get(
      {
        host: reachable(options.http.host),
        port: options.http.port,
        path: target,
        headers: { host: `${name}.${options.domain}` },
        timeout: DEADLINE_MS,
        agent: false,
      },
      (response) => {
        let text = "";
        response.setEncoding("latin1");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", () => {
          if (response.statusCode === 200 && text === target) succeededAt = performance.now();
        });
      },
    );
    request.on("timeout", () => request.destroy());
    request.on("error", () => {});
  }

  const timer = setInterval(look, EVERY_MS);
  timer.unref();
  connect();
  return {
    age: () => performance.now() - succeededAt,
    fresh: () => performance.now() - succeededAt < FRESH_MS,
    close: () => {
      closed = true;
      clearInterval(timer);
      connection?.destroy();
    },
  };
}

/** A listener on every address is reached by loopback. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
