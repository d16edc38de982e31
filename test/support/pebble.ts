/** Debian's pebble, a certificate authority for tests, and pebble-challtestsrv, whose DNS answers what a test says. */
import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { promisify } from "node:util";
import path from "node:path";
import type { TestCa } from "../edge/tls/support.ts";
import { until } from "./edge.ts";
import { freeBlock } from "./ports.ts";

export const hasPebble =
  spawnSync("pebble", ["-help"]).error === undefined && spawnSync("pebble-challtestsrv", ["-help"]).error === undefined;

export interface Pebble {
  directory: string;
  /** PEM of the root under which it issues; another one after each start. */
  root(): Promise<string>;
  /** Certificates issued so far, by what its log says. */
  issued(): number;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Changes what DNS answers, e.g. `set-txt` (see pebble-challtestsrv). */
  dns(order: string, value: Record<string, unknown>): Promise<void>;
  management: string;
  dnsPort: number;
  close(): Promise<void>;
}

export interface PebbleOptions {
  /** Where it comes back: of HTTP-01 and TLS-ALPN-01. */
  httpPort: number;
  tlsPort: number;
  /** Seconds. */
  validity?: number;
  /** In front of the commands, to run them in a network namespace, where DNS is on its usual port and leads to `address`. */
  enter?: string[];
  address?: string;
  /** In place of pebble-challtestsrv. */
  dnsServer?: string;
}

/** @param ca makes the certificate that pebble itself shows, for 127.0.0.1 as localhost. */
export async function startPebble(ca: TestCa, options: PebbleOptions): Promise<Pebble> {
  const port = await freeBlock();
  const { enter, address } = options;
  const [admin, dnsPort, management] = [port + 1, enter ? 53 : port + 2, port + 3];
  const server = ca.issue(`pebble-${port}`, ["localhost"]);
  const config = path.join(ca.dir, `pebble-${port}.json`);
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${admin}`,
    certificate: server.cert,
    privateKey: server.key,
    httpPort: options.httpPort,
    tlsPort: options.tlsPort,
    ocspResponderURL: "",
    externalAccountBindingRequired: false,
    ...(options.validity ? { certificateValidityPeriod: options.validity } : {}),
  };
  writeFileSync(config, JSON.stringify({ pebble }));
  let log = "";
  const launch = (args: string[], env: Record<string, string> = {}): ChildProcess => {
    const [command = "", ...rest] = [...(enter ?? []), ...args];
    const child = spawn(command, rest, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (log += chunk.toString()));
    return child;
  };
  const end = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  const get = async (target: string): Promise<string> => {
    const at = ["--silent", "--fail", "--cacert", path.join(ca.dir, "ca.crt"), "--resolve", `localhost:${new URL(target).port}:127.0.0.1`];
    const [command = "", ...rest] = [...(enter ?? []), "curl", ...at, target];
    return (await promisify(execFile)(command, rest)).stdout;
  };
  const dns = launch([
    "pebble-challtestsrv",
    ...`-dns01 127.0.0.1:${dnsPort} -management 127.0.0.1:${management} -defaultIPv4 ${address ?? "127.0.0.1"} -defaultIPv6= -http01= -https01= -tlsalpn01=`.split(
      " ",
    ),
  ]);
  let running: ChildProcess;
  const self: Pebble = {
    directory: `https://localhost:${port}/dir`,
    management: `http://127.0.0.1:${management}`,
    dnsPort,
    root: () => get(`https://localhost:${admin}/roots/0`),
    issued: () => log.split("Issued certificate serial").length - 1,
    start: async () => {
      running = launch(["pebble", "-config", config, "-dnsserver", options.dnsServer ?? `127.0.0.1:${dnsPort}`], {
        PEBBLE_VA_NOSLEEP: "1",
        PEBBLE_WFE_NONCEREJECT: "10",
        PEBBLE_AUTHZREUSE: "0",
      });
      await until("pebble", () => get(self.directory).then(Boolean, () => false), 30_000);
    },
    stop: () => end(running),
    dns: async (order, value) => {
      const [command = "", ...rest] = [...(enter ?? []), "curl", "--silent", "--fail", "--data", JSON.stringify(value)];
      await promisify(execFile)(command, [...rest, `${self.management}/${order}`]);
    },
    close: async () => {
      await end(running);
      await end(dns);
    },
  };
  await self.start();
  return self;
}
