/** Who may connect, and which name is whose. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EdgeError, startEdge, type EdgeConfig, type RunningEdge } from "../../../edge/index.ts";
import { createHttpClient } from "../../../cli/io/http.ts";
import { loadOrCreateIdentity, type Identity } from "../../../cli/tunnel/identity.ts";
import { startTunnel, type RunningTunnel, type TunnelConfig } from "../../../cli/tunnel/tunnel.ts";

let dir: string;
let edge: RunningEdge | null = null;
const tunnels: RunningTunnel[] = [];

beforeEach(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), "airy-access-"));
});

afterEach(async () => {
  await Promise.all(tunnels.splice(0).map((tunnel) => tunnel.close()));
  await edge?.close(0);
  edge = null;
  await rm(dir, { recursive: true, force: true });
});

async function open(config: Partial<EdgeConfig> = {}): Promise<RunningEdge> {
  const any = { host: "127.0.0.1", port: 0 };
  edge = await startEdge({
    domain: "tunnel.localhost",
    ssh: any,
    http: any,
    admin: null,
    dataDir: path.join(dir, "edge"),
    hostKey: null,
    publicPort: null,
    log: () => {},
    ...config,
  });
  return edge;
}

const key = (name: string): Promise<Identity> => loadOrCreateIdentity(path.join(dir, name));

function connect(identity: Identity, config: Partial<TunnelConfig> = {}): RunningTunnel {
  const tunnel = startTunnel({
    edge: { host: "127.0.0.1", port: edge?.sshPort ?? 0 },
    hostKey: { kind: "known", key: edge?.hostKey ?? "" },
    identity: identity.privateKey,
    target: { host: "127.0.0.1", port: 1 },
    paths: [],
    hold: [],
    holdSigned: false,
    onRefused: "close",
    onStatus: () => {},
    onRequest: () => {},
    log: () => {},
    ...config,
  });
  tunnels.push(tunnel);
  return tunnel;
}

const codeOf = (tunnel: RunningTunnel) =>
  tunnel.opened.then(
    () => "open",
    (error: { code: string; details: { code?: string } }) => error.details.code ?? error.code,
  );

test("only the keys of the authorized_keys file get in, and the file is read again when it changes", async () => {
  const [ann, bob] = [await key("ann"), await key("bob")];
  const file = path.join(dir, "authorized_keys");
  await writeFile(file, `# the team\nrestrict,port-forwarding ${ann.publicKey} ann@laptop\n`);
  await open({ access: { authorizedKeys: file, deniedKeys: null } });
  expect(await codeOf(connect(ann))).toBe("open");
  expect(await codeOf(connect(bob))).toBe("SSH_AUTH");
  await writeFile(file, `${ann.publicKey}\n${bob.publicKey}\n`);
  await vi.waitFor(async () => expect(await codeOf(connect(bob))).toBe("open"), { timeout: 5_000, interval: 300 });
});

test("a denied key is refused, and loses the tunnel that it has", async () => {
  const ann = await key("ann");
  const file = path.join(dir, "denied");
  await writeFile(file, "");
  await open({ access: { authorizedKeys: null, deniedKeys: file } });
  const tunnel = connect(ann);
  expect(await codeOf(tunnel)).toBe("open");
  await writeFile(file, `${ann.publicKey}\n`);
  expect((await tunnel.closed)?.code).toBe("SSH_AUTH");
});

test("an edge whose key file cannot be read or understood does not start", async () => {
  const missing = path.join(dir, "missing");
  await expect(open({ access: { authorizedKeys: missing, deniedKeys: null } })).rejects.toMatchObject({ code: "EDGE_ACCESS" });
  const broken = path.join(dir, "broken");
  await writeFile(broken, "ssh-ed25519 nonsense\n");
  await expect(open({ access: { authorizedKeys: null, deniedKeys: broken } })).rejects.toThrow(EdgeError);
});

test("while a key file cannot be read any more, nobody gets in", async () => {
  const ann = await key("ann");
  const file = path.join(dir, "denied");
  await writeFile(file, "");
  await open({ access: { authorizedKeys: null, deniedKeys: file } });
  expect(await codeOf(connect(ann))).toBe("open");
  await rm(file);
  await vi.waitFor(async () => expect(await codeOf(connect(await key("bob")))).toBe("SSH_AUTH"), { timeout: 5_000, interval: 300 });
});

test("a chosen name belongs to the key that claimed it first, also after a restart of the edge", async () => {
  const [ann, bob] = [await key("ann"), await key("bob")];
  const first = await open();
  const tunnel = connect(ann, { name: "shop" });
  expect((await tunnel.opened).url).toBe(`http://shop.tunnel.localhost:${first.httpPort}`);
  expect(await codeOf(connect(bob, { name: "shop" }))).toBe("NAME_TAKEN");
  await tunnel.close();
  await first.close(0);
  await open();
  expect(await codeOf(connect(bob, { name: "shop" }))).toBe("NAME_TAKEN");
  expect((await connect(ann, { name: "shop" }).opened).identifier).toBe("shop");
});

test("reserved and malformed names are refused", async () => {
  const ann = await key("ann");
  await open();
  for (const name of ["www", "admin"]) expect(await codeOf(connect(ann, { name }))).toBe("NAME_RESERVED");
  for (const name of ["a", "-shop", "shop-", "Shop", "sh op", "xn--shop"])
    expect(await codeOf(connect(ann, { name }))).toBe("NAME_INVALID");
});

test("an ephemeral name is random, and forgotten when the tunnel closes", async () => {
  const ann = await key("ann");
  const { httpPort } = await open();
  const tunnel = connect(ann, { ephemeral: true });
  const { url, identifier } = await tunnel.opened;
  expect(identifier).not.toBe(ann.identifier);
  const http = createHttpClient();
  expect((await http({ url: `${url}/` })).headers["airy-error"]).toBe("SERVICE_REFUSED");
  await tunnel.close();
  expect((await http({ url: `http://${identifier}.tunnel.localhost:${httpPort}/` })).headers["airy-error"]).toBe("TUNNEL_NOT_FOUND");
});

test("the newest connection of a key wins; the one before is told and does not come back", async () => {
  const ann = await key("ann");
  await open();
  const [one, two] = [connect(ann), connect(ann)];
  await one.opened;
  const older = await Promise.race([one.closed.then(() => one), two.closed.then(() => two)]);
  const newer = older === one ? two : one;
  expect((await older.closed)?.code).toBe("TAKEN_OVER");
  expect(older.status().state).toBe("closed");
  expect(newer.status().state).toBe("open");
});
