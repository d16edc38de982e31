/** templates/airy-edge-dns with Debian's bind and pebble: a certificate for all names by RFC 2136. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { run } from "../../support/edge-process.ts";
import { until } from "../../support/edge.ts";
import { hasPebble, startPebble, type Pebble } from "../../support/pebble.ts";
import { freeBlock } from "../../support/ports.ts";
import { makeCa } from "./support.ts";

const DOMAIN = "tunnel.example";
const has = (command: string) => spawnSync(command, ["-v"]).error === undefined;
const possible = hasPebble && ["named", "nsupdate", "dig", "tsig-keygen"].every(has);

it.skipIf(!possible)(
  "writes the record, has the certificate, and leaves nothing in the zone",
  async () => {
    const dir = mkdtempSync(path.join(os.tmpdir(), "airy-bind-"));
    const first = await freeBlock();
    const port = String(first);
    const keyFile = path.join(dir, "key");
    writeFileSync(keyFile, spawnSync("tsig-keygen", ["-a", "hmac-sha256", "edge"]).stdout);
    writeFileSync(
      path.join(dir, "zone"),
      `$TTL 60\n@ IN SOA ns.${DOMAIN}. root.${DOMAIN}. 1 60 60 60 60\n@ IN NS ns\nns IN A 127.0.0.1\n@ IN A 127.0.0.1\n* IN A 127.0.0.1\n`,
    );
    writeFileSync(
      path.join(dir, "named.conf"),
      `include "${keyFile}";
options { directory "${dir}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none; session-keyfile none; };
controls { };
zone "${DOMAIN}" { type primary; file "zone"; update-policy { grant edge name _acme-challenge.${DOMAIN}. TXT; }; };
`,
    );
    const ca = makeCa();
    let named: ChildProcess | null = null;
    let pebble: Pebble | null = null;
    let edge: ReturnType<typeof run> | null = null;
    const dig = () => spawnSync("dig", ["+short", "-p", port, "@127.0.0.1", `_acme-challenge.${DOMAIN}`, "TXT"]).stdout.toString();
    try {
      named = spawn("named", ["-g", "-c", path.join(dir, "named.conf")], { stdio: "ignore" });
      await until("bind", () => spawnSync("dig", ["+short", "-p", port, "@127.0.0.1", DOMAIN, "SOA"]).stdout.length > 0, 30_000);
      pebble = await startPebble(ca, { httpPort: first + 1, tlsPort: first + 2, dnsServer: `127.0.0.1:${port}` });
      const any = "127.0.0.1:0";
      const addresses = ["--ssh", any, "--http", any, "--https", any];
      const hook = path.resolve(import.meta.dirname, "../../../templates/airy-edge-dns");
      const acme = ["--tls", "acme", "--acme-directory", pebble.directory, "--acme-hook", hook];
      edge = run(
        ["edge", "--json", "--log", "text", "--domain", DOMAIN, ...addresses, ...acme, "--data", "data"],
        {
          NODE_EXTRA_CA_CERTS: path.join(ca.dir, "ca.crt"),
          AIRY_DNS_SERVER: "127.0.0.1",
          AIRY_DNS_PORT: port,
          AIRY_DNS_KEY: keyFile,
          AIRY_DNS_WAIT: "0",
        },
        dir,
      );
      await until("the certificate", () => /certificate for \*\.tunnel\.example, until|no certificate/.test(edge!.stderr()), 60_000);
      expect(edge.stderr()).toMatch(/certificate for \*\.tunnel\.example, until/);
      expect([pebble.issued(), dig()]).toEqual([1, ""]);
    } finally {
      await edge?.kill();
      await pebble?.close();
      named?.kill();
      if (named) await once(named, "exit");
      ca.remove();
      rmSync(dir, { recursive: true, force: true });
    }
  },
  120_000,
);
