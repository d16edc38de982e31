/** Which public URL Viber's connector is told before there is a tunnel, and what runs when it was another one. */
import ssh2 from "ssh2";
import { expect, test } from "vitest";
import { settingsHash, type AgentSettings } from "../../../cli/agent/settings.ts";
import { corrected, expectedUrl } from "../../../cli/launch/public-url.ts";
import { openTunnel } from "../../support/dashboard-events.ts";
import { makeSpec } from "../platform/compose/spec.ts";

const identity = { publicKey: ssh2.utils.generateKeyPairSync("ed25519").public };
const edge = { host: "tunnel.example", port: 22 };
const known = { stored: { callbacks: [] as string[] }, edge, localEdge: false, ports: { edgeHttp: 4280 } };

test("the one that follows from the key, at an edge of one's own and at another; the one of before where there is one", () => {
  const name = /^https:\/\/([a-z2-7]{10})\.tunnel\.example$/.exec(expectedUrl(known, identity))?.[1];
  expect(name).toBeDefined();
  expect(expectedUrl({ ...known, localEdge: true }, identity)).toBe(`http://${name}.tunnel.localhost:4280`);
  const callbacks = ["https://x.tunnel.example/facebook", "https://y.tunnel.example:8443/facebook", "https://z.elsewhere.example/facebook"];
  expect(expectedUrl({ ...known, stored: { callbacks } }, identity)).toBe("https://y.tunnel.example:8443");
  const plain = { user: "me", publicUrl: "https://hooks.example", remotePort: 8080 };
  expect(expectedUrl({ ...known, edge: { ...edge, plain } }, identity)).toBe("https://hooks.example");
});

test("where the edge gave another one, the connector is told; that is no other configuration of what runs", async () => {
  const base = await makeSpec();
  const spec = { ...base, core: { profiles: ["viber" as const], variables: { AIRY_CORE_PUBLIC_URL: "https://a.example" }, resign: false } };
  expect(corrected({ spec }, { tunnel: { ...openTunnel, url: "https://a.example" } })).toBeNull();
  expect(corrected({ spec: base }, { tunnel: openTunnel })).toBeNull();
  const right = corrected({ spec }, { tunnel: { ...openTunnel, url: "https://b.example" } });
  expect(right?.core?.variables).toEqual({ AIRY_CORE_PUBLIC_URL: "https://b.example" });
  const hash = (of: AgentSettings["spec"]): string =>
    settingsHash({ engine: "docker", spec: of, edge, localEdge: null, edgeKey: null, hold: true, inspect: true });
  expect(hash(right ?? base)).toBe(hash(spec));
  expect(hash(base)).not.toBe(hash(spec));
});
