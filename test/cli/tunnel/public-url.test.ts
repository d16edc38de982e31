import { expect, it } from "vitest";
import { createHttpClient } from "../../../cli/io/http.ts";
import { faultInUrl, isNearby } from "../../../cli/tunnel/public-url.ts";

const faultOf = (url: string, edgeHost: string, edgeAddress = "203.0.113.7") =>
  faultInUrl({ url, identifier: "abcdefghij", edgeHost, edgeAddress });

it.each([
  ["https://abcdefghij.tunnel.airy.co", "tunnel.airy.co"],
  ["http://abcdefghij.tunnel.airy.co:8080", "Tunnel.Airy.co."],
  ["https://abcdefghij.tunnel.airy.co", "hosts.airy.co"],
  ["https://abcdefghij.tunnel.airy.co", "airy.co"],
  ["https://abcdefghij.example.com", "ssh.example.com"],
  ["https://abcdefghij.hooks.example.co.uk", "edge.example.co.uk"],
  ["https://abcdefghij.anything.example", "203.0.113.7"],
  ["https://abcdefghij.anything.example", "2001:db8::1"],
  ["https://abcdefghij.anything.example", "edge"],
])("%s is %s's to give", (url, host) => {
  expect(faultOf(url, host)).toBeNull();
});

it.each([
  ["http://abcdefghij.tunnel.localhost:4280", "127.0.0.1", "127.0.0.1"],
  ["http://abcdefghij.tunnel.localhost", "localhost", "::1"],
  ["http://abcdefghij.tunnel.localhost", "edge.lan", "::ffff:192.168.1.5"],
])("%s is given by an edge nearby", (url, host, address) => {
  expect(faultOf(url, host, address)).toBeNull();
});

it.each([
  ["http://127.0.0.1:6022", "tunnel.airy.co", "does not begin with"],
  ["http://[::1]:6022", "tunnel.airy.co", "does not begin with"],
  ["http://localhost:6022", "127.0.0.1", "does not begin with"],
  ["http://abcdefghij:80", "edge", "does not begin with"],
  ["https://other.tunnel.airy.co", "tunnel.airy.co", "does not begin with"],
  ["https://abcdefghij.tunnel.localhost:5432", "tunnel.airy.co", "leads to this machine"],
  ["https://abcdefghij.localhost", "203.0.113.7", "leads to this machine"],
  ["https://abcdefghij.tunnel.example.com", "tunnel.airy.co", "not under the name"],
  ["https://abcdefghij.victim.co.uk", "evil.co.uk", "not under the name"],
  ["https://abcdefghij.com", "evil.com", "not under the name"],
  ["https://abcdefghij.notairy.co", "airy.co", "not under the name"],
])("%s is not %s's to give", (url, host, why) => {
  expect(faultOf(url, host)).toContain(why);
});

it("a name that is a number is no address", () => {
  expect(faultInUrl({ url: "http://127.0.0.1", identifier: "127", edgeHost: "203.0.113.7", edgeAddress: "203.0.113.7" })).not.toBeNull();
});

it("addresses of this machine and its networks are told from those of the internet", () => {
  for (const address of [
    "127.0.0.1",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.0.1",
    "198.18.7.7",
    "169.254.169.254",
    "100.100.0.1",
    "::1",
    "fd00::1",
    "fe80::1%eth0",
  ])
    expect([address, isNearby(address)]).toEqual([address, true]);
  for (const address of ["::ffff:127.0.0.1", "0.0.0.0"]) expect([address, isNearby(address)]).toEqual([address, true]);
  for (const address of ["203.0.113.7", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8", "nonsense", ""])
    expect([address, isNearby(address)]).toEqual([address, false]);
});

it("a name that leads to a refused address is not asked", async () => {
  const asked = createHttpClient()({ url: "http://abcdefghij.tunnel.localhost:9/", refuse: isNearby });
  await expect(asked).rejects.toMatchObject({ code: "EADDRNOTAVAIL", message: expect.stringContaining("127.0.0.1") });
});
