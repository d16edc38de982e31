/**
 * docs/edge.md, "From a bare server to https", word for word: its commands are taken from the page and run on a server with systemd, in a
 * network namespace where pebble is the authority and answers for the DNS. Not run is step 2, which needs the internet: the checkout is put
 * in its place.
 */
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { makeCa, type TestCa } from "../edge/tls/support.ts";
import { bundle } from "../support/airy.ts";
import { openLeakScope, type LeakScope } from "../support/leaks.ts";
import { until } from "../support/edge.ts";
import { hasPebble, startPebble, type Pebble } from "../support/pebble.ts";
import { bootServer, type Server } from "../support/systemd.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const page = readFileSync(path.join(root, "docs/edge.md"), "utf8");
const steps = [...page.matchAll(/<!-- (dns|server|laptop)(?:: \w+)? -->\n```\n([^]*?)```/g)].map(([, where, text]) => ({
  where,
  text: text!,
}));

/** A network of its own with the page's address, in which DNS leads every name there. */
async function openNetwork(name: string, address: string): Promise<() => Promise<void>> {
  await run("ip", ["netns", "add", name]);
  mkdirSync(`/etc/netns/${name}`, { recursive: true });
  writeFileSync(`/etc/netns/${name}/resolv.conf`, "nameserver 127.0.0.1\n");
  for (const order of [`link set lo up`, `addr add ${address}/32 dev lo`]) await run("ip", ["-n", name, ...order.split(" ")]);
  return async () => {
    await run("ip", ["netns", "del", name]).catch(() => {});
    rmSync(`/etc/netns/${name}`, { recursive: true, force: true });
  };
}

const possible =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  hasPebble &&
  (await run("ip", ["netns"]).then(
    () => true,
    () => false,
  ));

it.skipIf(!possible)(
  "from a bare server and a name in DNS to airy up with https",
  async (context) => {
    const [dns, ...rest] = steps;
    const commands = rest.filter(({ where }) => where !== "dns");
    const address = /^hooks\.example\.com\.\s+A\s+(\S+)$/m.exec(dns!.text)![1]!;
    expect(dns!.text).toMatch(new RegExp(`^\\*\\.hooks\\.example\\.com\\.\\s+A\\s+${address}$`, "m"));
    expect(commands.map(({ where }) => where)).toEqual(["server", "server", "server", "laptop", "laptop", "server", "server"]);

    const netns = `airy-${process.pid}`;
    const closeNetwork = await openNetwork(netns, address);
    const enter = ["ip", "netns", "exec", netns];
    let scope: LeakScope | null = null;
    let ca: TestCa | null = null;
    let pebble: Pebble | null = null;
    let server: Server | null = null;
    try {
      ca = makeCa();
      pebble = await startPebble(ca, { httpPort: 80, tlsPort: 443, enter, address });
      scope = await openLeakScope("server");
      const trust = path.join(scope.root, "authority.pem");
      writeFileSync(trust, `${ca.cert.toString()}\n${await pebble.root()}`);
      server = await bootServer({ netns, folders: { "/opt/airy": root } });
      if (!server) return context.skip("systemd cannot be started here");
      // All that differs from the page: the authority.
      await server.sh(`mkdir -p /etc/systemd/system/airy-edge.service.d
cat >/etc/authority.pem <<'END'
${readFileSync(trust, "utf8")}
END
cat >/etc/systemd/system/airy-edge.service.d/authority.conf <<'END'
[Service]
Environment=AIRY_ACME_DIRECTORY=${pebble.directory} NODE_EXTRA_CA_CERTS=/etc/authority.pem
END`);

      const airy = path.join(scope.workspace, "airy");
      writeFileSync(airy, `#!/bin/sh\nexec '${process.execPath}' '${bundle}' "$@"\n`);
      chmodSync(airy, 0o755);
      const env = {
        ...process.env,
        TMPDIR: scope.tmp,
        XDG_STATE_HOME: path.join(scope.root, "state"),
        NODE_EXTRA_CA_CERTS: trust,
        AIRY_YES: "1",
        AIRY_JSON: "1",
        AIRY_ENGINE: "embedded",
        AIRY_PORT: "4200",
      };
      const laptop = async (text: string) => {
        const [command = "", ...rest] = [...enter, "sh", "-euc", text];
        return (await run(command, rest, { cwd: scope!.workspace, env, timeout: 240_000 })).stdout;
      };
      const [port, edge, ready, up, key, close, host] = commands.map(({ text }) => text) as [
        string,
        string,
        string,
        string,
        string,
        string,
        string,
      ];
      await server.sh(port);
      expect(await server.sh(edge)).toContain("domain: hooks.example.com");
      expect(await server.sh(ready)).toContain("ready");

      const result = (stdout: string) => JSON.parse(stdout.trim().split("\n").at(-1)!) as { status: string; data: unknown };
      const started = result(await laptop(up));
      expect(started.status).toBe("ok");
      const [url] = /https:\/\/[a-z0-9]{10}\.hooks\.example\.com(?=["/])/.exec(JSON.stringify(started.data)) ?? [];
      expect(url).toBeDefined();
      // By the certificate, from outside, to the platform: the webhook path answers, and nothing else is public.
      const curl = (target: string) => laptop(`curl -s -o /dev/null -w '%{http_code}' --cacert '${trust}' ${url}${target}`);
      expect([await curl("/facebook"), await curl("/")]).toEqual(["400", "404"]);

      await server.sh(close.replace("KEY", (await laptop(key)).trim()));
      expect(await server.sh("systemctl is-active airy-edge")).toContain("active");
      await laptop("./airy down");
      expect(result(await laptop(up)).status).toBe("ok");
      const knock = "mkdir other && cd other && ../airy proxy 1 --edge hooks.example.com --identity ./key";
      const refused = await laptop(knock).catch((error: { stdout: string }) => error.stdout);
      expect(refused).toContain("SSH_AUTH");

      // A host of its own: not before both sides have said so.
      const at = `--cacert '${trust}' --resolve hooks.customer.example:443:${address} https://hooks.customer.example/facebook`;
      const own = () => laptop(`curl -s -o /dev/null -w '%{http_code}' ${at} || true`);
      const name = new URL(url!).hostname.split(".")[0]!;
      await pebble.dns("add-a", { host: "hooks.customer.example", addresses: ["192.0.2.1"] });
      const issued = pebble.issued();
      expect(await own()).toBe("000");
      await server.sh(host.replace("NAME", name));
      expect(await own()).toBe("000");
      expect(pebble.issued()).toBe(issued);
      await pebble.dns("clear-a", { host: "hooks.customer.example" });
      await pebble.dns("set-cname", { host: "hooks.customer.example", target: `${name}.hooks.example.com.` });
      await until("the host's certificate", async () => (await own()) === "400", 60_000);

      await laptop("./airy destroy");
      // The server's own SSH is where the page has put it.
      expect(await server.sh("ss -Hltn 'sport = :2222' | wc -l")).not.toMatch(/^0/);
      expect(await server.sh("systemd-analyze security --threshold=20 airy-edge.service | tail -n 1")).toContain("OK");
    } finally {
      await server?.close();
      await pebble?.close();
      await closeNetwork();
      ca?.remove();
      await scope?.close();
    }
  },
  400_000,
);
