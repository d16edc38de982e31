/** Clients that are not ours: OpenSSH's own `ssh`, and ssh2's bare client. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import ssh2, { type Client, type ClientChannel, type ConnectConfig } from "ssh2";
import { newKey } from "./edge.ts";

export interface KeyFile {
  file: string;
  private: string;
  public: string;
  remove(): Promise<void>;
}

export async function writeKey(type: "ed25519" | "rsa" | "ecdsa" = "ed25519"): Promise<KeyFile> {
  const dir = await mkdtemp(path.join(os.tmpdir(), "airy-key-"));
  const file = path.join(dir, "id");
  const pair =
    type === "ed25519"
      ? newKey()
      : ssh2.utils.generateKeyPairSync(type as "rsa", { bits: type === "rsa" ? 2048 : 256 } as { bits: number });
  await writeFile(file, pair.private, { mode: 0o600 });
  return { file, private: pair.private, public: pair.public, remove: () => rm(dir, { recursive: true, force: true }) };
}

export interface OpenSsh {
  process: ChildProcess;
  stdout(): string;
  stderr(): string;
  exited: Promise<number | null>;
  /** Resolves when both streams together match; rejects when the process ends first. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
  /** The same for stdout alone: the URL comes there when it serves, and at the login, on stderr, before that. */
  wrote(pattern: RegExp): Promise<RegExpExecArray>;
  stop(): Promise<void>;
}

/** Runs OpenSSH's client against a port on loopback; `args` come before the host. */
export function openSsh(port: number, key: KeyFile, args: string[], command: string[] = []): OpenSsh {
  const child = spawn(
    "ssh",
    [
      "-F",
      "none",
      "-p",
      String(port),
      "-i",
      key.file,
      "-o",
      "IdentitiesOnly=yes",
      "-o",
      "IdentityAgent=none",
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      "UserKnownHostsFile=/dev/null",
      "-o",
      "LogLevel=INFO",
      ...args,
      "127.0.0.1",
      ...command,
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  let stdout = "";
  let stderr = "";
  const listeners = new Set<() => void>();
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    for (const listener of listeners) listener();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    for (const listener of listeners) listener();
  });
  child.stdin.on("error", () => {});
  let ended = false;
  const exited = new Promise<number | null>((resolve) =>
    child.on("close", (code) => {
      ended = true;
      resolve(code);
      for (const listener of listeners) listener();
    }),
  );
  const matching = (pattern: RegExp, text: () => string): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(text());
        if (match) resolve(match);
        else if (ended) reject(new Error(`ssh ended without saying ${pattern}:\n${stdout}\n${stderr}`));
        else return;
        listeners.delete(look);
      };
      listeners.add(look);
      look();
    });
  return {
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    exited,
    said: (pattern) => matching(pattern, () => `${stdout}\n${stderr}`),
    wrote: (pattern) => matching(pattern, () => stdout),
    stop: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** An ssh2 client that has logged in. */
export function login(port: number, privateKey: string, change: ConnectConfig = {}): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    client.once("ready", () => {
      client.removeListener("error", reject);
      client.on("error", () => {});
      resolve(client);
    });
    client.once("error", reject);
    client.once("close", () => reject(new Error("closed")));
    client.connect({ host: "127.0.0.1", port, username: "x", privateKey, hostVerifier: () => true, ...change });
  });
}

export interface Forwarded {
  client: Client;
  channels: ClientChannel[];
  close(): void;
}

/** `ssh -R 80:localhost:PORT` by ssh2's client; `serve` gets every channel (default: to the local port). */
export async function forward(
  port: number,
  privateKey: string,
  serve: number | ((channel: ClientChannel) => void),
  change: ConnectConfig = {},
): Promise<Forwarded> {
  const client = await login(port, privateKey, change);
  const channels: ClientChannel[] = [];
  client.on("tcp connection", (_info, accept, reject) => {
    const take = () => {
      const channel = accept();
      channels.push(channel);
      channel.on("error", () => {});
      return channel;
    };
    if (typeof serve === "function") {
      serve(take());
      return;
    }
    // As OpenSSH does: the channel is confirmed when the local port has answered.
    const socket = net.connect({ host: "127.0.0.1", port: serve, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.removeListener("error", reject);
      const channel = take();
      socket.on("error", () => channel.close());
      channel.on("close", () => socket.destroy());
      channel.pipe(socket).pipe(channel);
    });
  });
  await new Promise<void>((resolve, reject) => {
    client.forwardIn("localhost", 80, (error) => (error ? reject(error) : resolve()));
  });
  return { client, channels, close: () => client.end() };
}

/** What is inside: for peers that break the protocol on purpose. */
export interface Internals {
  _sock: net.Socket;
  _protocol: {
    channelData(id: number, data: Buffer): void;
    channelWindowAdjust(id: number, amount: number): void;
    channelClose(id: number): void;
    channelEOF(id: number): void;
    channelOpenConfirm(recipient: number, sender: number, window: number, packetSize: number): void;
    rekey(): void;
  };
}

export function internalsOf(client: Client): Internals {
  return client as unknown as Internals;
}
