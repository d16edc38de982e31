import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { agentEnv } from "../../../cli/agent/start.ts";
import { reachEdge } from "../../../cli/checks/edge.ts";
import { proxyFor } from "../../../cli/io/dial.ts";
import { createHttpClient } from "../../../cli/io/http.ts";
import { startConnectProxy, type ConnectProxy } from "../../support/connect-proxy.ts";
import { ask, launchTunnel, openEdge, openTunnel, startOrigin, until } from "../../support/edge.ts";

afterEach(() => vi.unstubAllEnvs());

describe("the environment's proxy", () => {
  const edge = { host: "edge.example.com", port: 22 };
  const HTTPS_PROXY = "http://proxy:3128";

  test.each([
    [{}, false],
    [{ HTTPS_PROXY: "" }, false],
    [{ HTTPS_PROXY }, true],
    [{ https_proxy: "proxy:3128" }, true],
    [{ ALL_PROXY: HTTPS_PROXY }, true],
    [{ HTTP_PROXY: HTTPS_PROXY }, false],
    [{ ALL_PROXY: "socks5://proxy:1080" }, false],
    [{ HTTPS_PROXY, NO_PROXY: "*" }, false],
    [{ HTTPS_PROXY, NO_PROXY: "other.com, example.com" }, false],
    [{ HTTPS_PROXY, NO_PROXY: ".example.com" }, false],
    [{ HTTPS_PROXY, no_proxy: "Edge.example.com:22" }, false],
    [{ HTTPS_PROXY, NO_PROXY: "edge.example.com:443" }, true],
    [{ HTTPS_PROXY, NO_PROXY: "ample.com" }, true],
  ])("%j: %s", (env, used) => {
    expect(proxyFor(edge, "https", env)?.host ?? null).toBe(used ? "proxy:3128" : null);
  });

  test("is not asked for this machine, nor for networks that it does not lead to", () => {
    const env = { HTTPS_PROXY, NO_PROXY: "10.0.0.0/8,fd00::/8,192.168.1.1" };
    for (const host of ["localhost", "x.localhost", "127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "fd00::1", "192.168.1.1"])
      expect([host, proxyFor({ host, port: 22 }, "https", env)]).toEqual([host, null]);
    for (const host of ["11.1.2.3", "192.168.1.11", "fe80::1"]) expect(proxyFor({ host, port: 22 }, "https", env)).not.toBeNull();
  });

  test("goes on to the agent process, with what says which certificates count, and nothing else", () => {
    const kept = {
      HTTPS_PROXY,
      no_proxy: "x",
      NODE_USE_SYSTEM_CA: "1",
      SSL_CERT_FILE: "/ca",
      DOCKER_CERT_PATH: "/d",
      XDG_STATE_HOME: "/s",
      LC_TIME: "C",
    };
    const NODE_OPTIONS = "--inspect=0 --use-system-ca --max-old-space-size=100";
    expect(agentEnv({ ...kept, NODE_OPTIONS, FACEBOOK_APP_SECRET: "x", AIRY_JSON: "1" })).toEqual({
      ...kept,
      NODE_OPTIONS: "--use-system-ca",
    });
  });
});

describe("through a proxy", () => {
  async function behind(proxy: ConnectProxy): Promise<ConnectProxy> {
    vi.stubEnv("HTTPS_PROXY", proxy.url.replace("//", "//me:p%40ss@"));
    vi.stubEnv("HTTP_PROXY", proxy.url);
    return proxy;
  }

  test("the tunnel is opened, and the edge looked for, under a name that only the proxy knows", async () => {
    await using proxy = await behind(await startConnectProxy());
    const edge = await openEdge({ domain: "edge.invalid" });
    const origin = await startOrigin((_, response) => response.end("fine"));
    const address = { host: "edge.invalid", port: edge.sshPort };
    expect(await reachEdge(address, 5000)).toMatchObject({ ok: true });
    const { tunnel, host } = await openTunnel(edge, origin.port, { edge: address });
    expect((await ask(edge.httpPort, { host })).text).toBe("fine");
    expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT edge.invalid:${edge.sshPort}`]));
    expect(proxy.authorizations[0]).toBe(`Basic ${Buffer.from("me:p@ss").toString("base64")}`);
    await tunnel.close();
    await edge.close();
    await origin.close();
  });

  test("that refuses it, the tunnel is tried directly, and both reasons are told", async () => {
    await using _ = await behind(await startConnectProxy(() => 403));
    const edge = await openEdge();
    const log: string[] = [];
    const { tunnel } = launchTunnel(edge, 1, { edge: { host: "edge.invalid", port: edge.sshPort }, log: (line) => log.push(line) });
    await until("the reasons", () =>
      log.some((line) => /answered 403 No to CONNECT edge\.invalid:\d+, and directly: .*edge\.invalid/.test(line)),
    );
    await tunnel.close();
    await edge.close();
  });

  test("HTTPS speaks TLS with the other end, and plain HTTP names the whole address", async () => {
    await using proxy = await behind(await startConnectProxy());
    let hello = Buffer.alloc(0);
    const server = net.createServer((socket) => socket.on("error", () => {}).on("data", (chunk) => ((hello = chunk), socket.destroy())));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as net.AddressInfo;
    const http = createHttpClient();
    await expect(http({ url: `https://graph.invalid:${port}/x` })).rejects.toThrow();
    expect(proxy.asked).toEqual([`CONNECT graph.invalid:${port}`]);
    expect(hello[0]).toBe(0x16); // a TLS handshake
    expect(hello.toString("latin1")).toContain("graph.invalid");
    expect(String((await http({ url: "http://plain.invalid/y?z" })).body)).toBe("for http://plain.invalid/y?z");
    server.close();
  });
});
