/** Who gets in, and what they get then. */
import { once } from "node:events";
import net from "node:net";
import ssh2, { type AuthHandlerMiddleware, type Client } from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identifierOf } from "../../../edge/names/identifier.ts";
import { DEFAULT_LIMITS } from "../../../edge/limits.ts";
import { ask, DOMAIN, newKey, openEdge, openTunnel, startOrigin, until, type Origin, type TestEdge } from "../../support/edge.ts";
import { openBareAgent, openWelcomedAgent } from "../../support/ssh-agent.ts";
import { established } from "../../support/ssh-pair.ts";
import { forward, internalsOf, login, writeKey } from "../../support/ssh.ts";

let edge: TestEdge;
let origin: Origin;
beforeAll(async () => {
  edge = await openEdge();
  origin = await startOrigin((_request, response) => response.end("fine"));
});
afterAll(async () => {
  await edge.close();
  await origin.close();
});

const parsed = (text: string) => ssh2.utils.parseKey(text) as ssh2.ParsedKey;
const nameOf = (key: { public: string }) => identifierOf(parsed(key.public).getPublicSSH());
const hostOf = (key: { public: string }) => `${nameOf(key)}.${DOMAIN}:${edge.httpPort}`;

/** Not `once`: that rejects on an error, which is how many of these end. */
const closeOf = (client: Client) => new Promise<void>((resolve) => client.on("close", () => resolve()));

describe("authentication", () => {
  it.each<[string, Partial<ssh2.ConnectConfig>]>([
    ["nothing", { authHandler: ["none"] }],
    ["a password", { password: "x", authHandler: ["password"] }],
    ["typing at a keyboard", { tryKeyboard: true, authHandler: ["keyboard-interactive"] }],
    ["a host's key", { localHostname: "x", localUsername: "x", authHandler: ["hostbased"] }],
  ])("by %s is refused", async (_what, config) => {
    const { authHandler, ...rest } = config;
    await expect(login(edge.sshPort, newKey().private, { ...rest, authHandler })).rejects.toThrow(/authentication methods failed/);
  });

  /** A key that shows one key's public half and signs with the private half of another. */
  const forge = (shown: { public: string }, signer: { private: string }) =>
    Object.create(parsed(signer.private), {
      getPublicSSH: { value: () => parsed(shown.public).getPublicSSH() },
      isPrivateKey: { value: () => true },
    }) as string;
  const inTurn = (...keys: unknown[]) => keys.map((key) => ({ type: "publickey", username: "x", key })) as unknown as "publickey"[];

  it("does not take a signature by one key for another", async () => {
    const [victim, attacker] = [newKey(), newKey()];
    const getIn = login(edge.sshPort, attacker.private, { username: nameOf(victim), authHandler: inTurn(forge(victim, attacker)) });
    await expect(getIn).rejects.toThrow(/authentication methods failed/);
    expect((await ask(edge.httpPort, { host: hostOf(victim) })).status).toBe(404);
  });

  it("makes a client who it has signed as, not who it has offered to be", async () => {
    const [victim, attacker] = [newKey(), newKey()];
    for (const order of [
      inTurn(forge(victim, attacker), attacker.private),
      inTurn(forge(victim, attacker), forge(victim, attacker), attacker.private),
    ]) {
      const forwarded = await forward(edge.sshPort, attacker.private, origin.port, { authHandler: order });
      expect((await ask(edge.httpPort, { host: hostOf(attacker) })).text).toBe("fine");
      expect((await ask(edge.httpPort, { host: hostOf(victim) })).status).toBe(404);
      forwarded.close();
    }
  });

  it("gives the user name no weight", async () => {
    const [victim, other] = [newKey(), newKey()];
    const first = await openTunnel(edge, origin.port, { identity: victim.private });
    const client = await login(edge.sshPort, other.private, { username: nameOf(victim) });
    await new Promise<void>((resolve, reject) => client.forwardIn("localhost", 80, (error) => (error ? reject(error) : resolve())));
    expect((await ask(edge.httpPort, { host: first.host })).text).toBe("fine");
    expect(first.tunnel.status().state).toBe("open");
    client.end();
    await first.tunnel.close();
  });

  it("ends after too many tries on one connection", async () => {
    let tries = 0;
    await expect(
      login(edge.sshPort, newKey().private, {
        authHandler: ((_left, _partial, next) => {
          tries += 1;
          next({ type: "password", username: "x", password: String(tries) });
        }) as AuthHandlerMiddleware,
      }),
    ).rejects.toThrow();
    expect(tries).toBeLessThan(30);
  });

  it.each(["ed25519", "ecdsa", "rsa"] as const)("takes %s keys", async (type) => {
    const key = await writeKey(type);
    const forwarded = await forward(edge.sshPort, key.private, origin.port);
    expect((await ask(edge.httpPort, { host: hostOf(key) })).text).toBe("fine");
    forwarded.close();
    await key.remove();
  });

  it("does not take RSA signatures with SHA-1", async () => {
    const key = await writeKey("rsa");
    const client = new ssh2.Client();
    const result = new Promise<string>((resolve) => {
      client.on("error", (error) => resolve(error.message));
      client.on("ready", () => resolve("it got in"));
    });
    client.on("handshake", () => {
      // What a client signs with that does not know better: the plain name of the key's type.
      const protocol = (client as unknown as { _protocol: { authPK: (...args: unknown[]) => void } })._protocol;
      const original = protocol.authPK.bind(protocol);
      protocol.authPK = (user, pk, algo, sign) =>
        typeof algo === "function" ? original(user, pk, algo) : original(user, pk, undefined, sign);
    });
    client.connect({ host: "127.0.0.1", port: edge.sshPort, username: "x", privateKey: key.private });
    expect(await result).toMatch(/authentication methods failed/);
    await key.remove();
  });
});

describe("deadlines and limits", () => {
  it("a connection that says nothing is let go", async () => {
    const socket = net.connect(edge.sshPort, "127.0.0.1");
    socket.resume();
    await once(socket, "close");
  }, 20_000);

  it("a connection that does not log in is let go", async () => {
    const client = new ssh2.Client();
    client.on("error", () => {});
    client.connect({ host: "127.0.0.1", port: edge.sshPort, username: "x", readyTimeout: 60_000, authHandler: (() => undefined) as never });
    await once(client, "close");
  }, 20_000);

  it("one address has only so many connections that have not logged in, and they come back", async () => {
    const limit = DEFAULT_LIMITS["ssh-logins-per-network"];
    const sockets = Array.from({ length: limit + 20 }, () => net.connect(edge.sshPort, "127.0.0.1"));
    let closed = 0;
    for (const socket of sockets) {
      socket.on("error", () => {});
      socket.on("close", () => (closed += 1));
      socket.resume();
    }
    await until("those that are too many to be closed", () => closed >= 20, 9_000);
    expect(closed).toBe(20);
    for (const socket of sockets) socket.destroy();
    await until("places to be free again", async () => (await established(edge.sshPort)) === 0);
    const { tunnel } = await openTunnel(edge, origin.port);
    await tunnel.close();
  }, 20_000);

  it("one key has only so many connections", async () => {
    const key = newKey();
    const clients: Client[] = [];
    for (let i = 0; i < DEFAULT_LIMITS["ssh-connections-per-key"]; i++) clients.push(await login(edge.sshPort, key.private));
    const more = await login(edge.sshPort, key.private).catch(() => null);
    if (more) await closeOf(more);
    clients[0]!.end();
    await once(clients[0]!, "close");
    await until("a place to be free again", async () => {
      const client = await login(edge.sshPort, key.private).catch(() => null);
      if (!client) return false;
      const lives = await new Promise<boolean>((resolve) => client.forwardIn("localhost", 80, (error) => resolve(!error)));
      client.end();
      return lives;
    });
    for (const client of clients) client.end();
  });
});

describe("what a client may not do", () => {
  const refused = (start: (client: Client, done: (error: Error | null | undefined) => void) => void) =>
    login(edge.sshPort, newKey().private, { agent: "/nowhere/agent.sock", agentForward: true }).then(
      (client) =>
        new Promise<Error | null>((resolve) => {
          client.on("close", () => resolve(new Error("closed")));
          start(client, (error) => {
            resolve(error ?? null);
            client.end();
          });
        }),
    );

  it.each<[string, (client: Client, done: (error: Error | null | undefined) => void) => void]>([
    [
      "go elsewhere from the edge (direct-tcpip)",
      (client, done) => client.forwardOut("127.0.0.1", 1, "127.0.0.1", origin.port, (error) => done(error)),
    ],
    ["reach a socket of the edge", (client, done) => client.openssh_forwardOutStreamLocal("/var/run/docker.sock", (error) => done(error))],
    [
      "listen on a socket of the edge",
      (client, done) => client.openssh_forwardInStreamLocal("/tmp/airy-test.sock", (error) => done(error)),
    ],
    ["see files (sftp)", (client, done) => client.sftp((error) => done(error))],
    ["ask for another subsystem", (client, done) => client.subsys("netconf", (error) => done(error))],
    ["forward X11", (client, done) => client.exec("x", { x11: true }, (error) => done(error))],
    ["forward its agent", (client, done) => client.exec("x", { agentForward: true } as ssh2.ExecOptions, (error) => done(error))],
    [
      "forward two ports on one connection",
      (client, done) => client.forwardIn("localhost", 80, () => client.forwardIn("localhost", 81, (error) => done(error))),
    ],
    ["cancel what is not forwarded", (client, done) => client.unforwardIn("localhost", 80, (error) => done(error))],
  ])("%s", async (_what, start) => {
    expect(await refused(start)).toBeInstanceOf(Error);
  });

  it("a command runs nothing: it gets the URL, like a shell", async () => {
    const key = newKey();
    const { client, close } = await forward(edge.sshPort, key.private, origin.port);
    const channel = await new Promise<ssh2.ClientChannel>((resolve, reject) =>
      client.exec("id; cat /etc/passwd", (error, opened) => (error ? reject(error) : resolve(opened))),
    );
    let text = "";
    channel.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await until("the URL", () => text.includes("http://"));
    expect(text.trim()).toBe(`http://${hostOf(key)}`);
    close();
  });
});

describe("peers that break the rules do not disturb anybody", () => {
  it.each([0, 1, 100])("a channel that takes packets of %d bytes", async (packetSize) => {
    const key = newKey();
    const other = await openTunnel(edge, origin.port);
    const client = await login(edge.sshPort, key.private);
    const closed = closeOf(client);
    const internals = internalsOf(client);
    const { channelOpenConfirm } = internals._protocol;
    internals._protocol.channelOpenConfirm = function confirm(recipient, sender, window) {
      channelOpenConfirm.call(this, recipient, sender, window, packetSize);
    };
    client.on("tcp connection", (_info, accept) => accept());
    await new Promise<void>((resolve, reject) => client.forwardIn("localhost", 80, (error) => (error ? reject(error) : resolve())));
    const answer = ask(edge.httpPort, { host: hostOf(key), method: "POST", body: "x" });
    await closed;
    expect((await answer).headers["airy-error"]).toMatch(/TUNNEL_LOST|SERVICE_/);
    expect((await ask(edge.httpPort, { host: other.host })).text).toBe("fine");
    await other.tunnel.close();
  });

  it("a terminal that takes packets of no bytes", async () => {
    const other = await openTunnel(edge, origin.port);
    const { client } = await forward(edge.sshPort, newKey().private, origin.port);
    const closed = closeOf(client);
    const { _protocol } = client as unknown as { _protocol: { session: (chan: number, window: number, packet: number) => void } };
    const { session } = _protocol;
    _protocol.session = function open(chan, window) {
      session.call(this, chan, window, 0);
    };
    client.shell(() => {});
    await closed;
    expect((await ask(edge.httpPort, { host: other.host })).text).toBe("fine");
    await other.tunnel.close();
  });

  it("a client that sends a forwarded channel more than its window", async () => {
    const key = newKey();
    const forwarded = await forward(edge.sshPort, key.private, (channel) => {
      const { outgoing } = channel as unknown as { outgoing: { id: number } };
      const { _protocol } = internalsOf(forwarded.client);
      channel.once("data", () => {
        _protocol.channelData(outgoing.id, Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"));
        for (let i = 0; i < 1000; i++) _protocol.channelData(outgoing.id, Buffer.alloc(32_000));
      });
    });
    const closed = closeOf(forwarded.client);
    const slow = net.connect(edge.httpPort, "127.0.0.1");
    slow.on("error", () => {});
    slow.write(`GET / HTTP/1.1\r\nHost: ${hostOf(key)}\r\n\r\n`);
    slow.pause();
    await closed;
    slow.destroy();
  });

  it("a client that sends its FIN and reads nothing, with answers waiting for it", async () => {
    const key = newKey();
    const other = await openTunnel(edge, origin.port);
    const forwarded = await forward(edge.sshPort, key.private, () => {});
    const { _sock: socket } = internalsOf(forwarded.client);
    const uploads = Array.from({ length: 6 }, () => {
      const upload = net.connect(edge.httpPort, "127.0.0.1");
      upload.on("error", () => {});
      upload.write(`POST / HTTP/1.1\r\nHost: ${hostOf(key)}\r\nContent-Length: 100000000\r\n\r\n`);
      const write = () => {
        while (upload.writable && upload.write(Buffer.alloc(64 * 1024)));
      };
      upload.on("drain", write);
      write();
      return upload;
    });
    await until("channels", () => forwarded.channels.length > 0);
    socket.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    socket.end();
    await until("the route to go", () => edge.logs.some((line) => line.startsWith(`tunnel ${nameOf(key)} `) && !line.includes("open")));
    for (const upload of uploads) upload.destroy();
    expect((await ask(edge.httpPort, { host: other.host })).text).toBe("fine");
    socket.destroy();
    await other.tunnel.close();
  });

  it("a client that never answers requests for a channel", async () => {
    const key = newKey();
    const client = await login(edge.sshPort, key.private);
    client.on("tcp connection", () => {});
    await new Promise<void>((resolve, reject) => client.forwardIn("localhost", 80, (error) => (error ? reject(error) : resolve())));
    const answer = await ask(edge.httpPort, { host: hostOf(key), method: "POST", body: "x" });
    expect(answer.status).toBe(502);
    client.end();
  }, 20_000);

  it("a client that asks for a forward and is gone before it has one", async () => {
    for (let i = 0; i < 20; i++) {
      const client = await login(edge.sshPort, newKey().private);
      client.forwardIn("localhost", 80, () => {});
      internalsOf(client)._sock.destroy();
    }
    for (let i = 0; i < 20; i++) {
      const agent = await openBareAgent(edge);
      agent.send((writer) => writer.json(1, { agent: "x", instance: "x" }));
      internalsOf(agent.client)._sock.destroy();
    }
    const { tunnel, host } = await openTunnel(edge, origin.port);
    expect((await ask(edge.httpPort, { host })).text).toBe("fine");
    await tunnel.close();
    const agent = await openWelcomedAgent(edge);
    agent.close();
  });
});
