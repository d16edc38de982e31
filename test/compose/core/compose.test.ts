/** compose.yaml as docker compose reads it: valid for every combination of profiles, and nothing in it that breaks Airy Core. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { profileNames } from "../../../cli/config/core.ts";
import { coreServices } from "../../../cli/platform/compose/core/profiles.ts";

const dir = path.resolve(import.meta.dirname, "../../../compose/core");

/** Names of Compose programs to try beside the one that docker has; `docker compose` of another version can be unpacked anywhere. */
const composes = [["docker", "compose"], ...(process.env.AIRY_TEST_COMPOSE ? [[process.env.AIRY_TEST_COMPOSE]] : [])];

function has([command = "", ...args]: string[]): boolean {
  try {
    execFileSync(command, [...args, "version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const env = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  AIRY_WORKSPACE: "/w",
  AIRY_USER: "1000:1000",
  AIRY_PLATFORM_PORT: "4200",
  AIRY_CORE_FILES: "/w/.airy/docker/core",
  AIRY_GATEWAY_CONFIG: "0123",
  AIRY_CORE_ALLOWED_ORIGINS: "http://localhost:4200",
  AIRY_CORE_FACEBOOK_APP_ID: "1",
  AIRY_CORE_FACEBOOK_APP_SECRET: "a$b",
};

const service = z.object({
  image: z.string(),
  platform: z.string().optional(),
  environment: z.record(z.string(), z.string().nullable()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
  networks: z.object({ default: z.object({ aliases: z.array(z.string()).optional() }).nullable() }).optional(),
  ports: z.array(z.object({ host_ip: z.string().optional(), target: z.number() })).optional(),
  volumes: z.array(z.object({ type: z.string(), source: z.string(), target: z.string() })).optional(),
});
type Service = z.output<typeof service>;

function read(compose: string[], profiles: readonly string[]): Map<string, Service> {
  const [command = "", ...args] = compose;
  const files = ["--env-file", path.join(dir, "images.env"), "-f", path.join(dir, "compose.yaml"), "-p", "airy-test"];
  const chosen = profiles.flatMap((profile) => ["--profile", profile]);
  const text = execFileSync(command, [...args, ...files, ...chosen, "config", "--format", "json"], { env, encoding: "utf8" });
  return new Map(Object.entries(z.object({ services: z.record(z.string(), service) }).parse(JSON.parse(text)).services));
}

/** Every subset of the profiles. */
const combinations = Array.from({ length: 2 ** profileNames.length }, (_, bits) => profileNames.filter((_, i) => bits & (1 << i)));

describe.each(composes.filter(has))("%s %s", (...compose) => {
  test("is valid for each of the combinations of profiles, and has the services that we expect", () => {
    // Each profile adds its own and needs no other; so that all, none, each alone and all pairs stand for every combination.
    const few = combinations.filter(({ length }) => length <= 1 || length === profileNames.length);
    for (const profiles of process.env.AIRY_TEST_COMPOSE ? combinations : few) {
      expect([...read(compose, profiles).keys()].toSorted()).toEqual([...coreServices(profiles).keys()].toSorted());
    }
  }, 300_000);

  test("holds what the traps of Airy Core ask for", () => {
    const services = read(compose, profileNames);
    for (const [name, { image, platform, environment = {}, depends_on = {}, networks, ports = [] }] of services) {
      expect(image, name).toMatch(/^\S+:\S+$/);
      expect(Object.keys(environment)).not.toEqual(expect.arrayContaining(["AUTH_JAAS"]));
      for (const absent of ["AUTH_JAAS", "KAFKA_KEY_TRUST_SECRET", "AIRY_CORE_NAMESPACE", "API_HOST"]) {
        expect(environment, name).not.toHaveProperty(absent);
      }
      for (const port of ports) expect(port.host_ip, name).toBe("127.0.0.1");
      if (ports.length > 0) expect(name).toBe("gateway");
      if (name !== "gateway") expect(platform, name).toBe("linux/amd64");
      if (!environment.KAFKA_SCHEMA_REGISTRY_URL) continue;
      expect(environment, name).toMatchObject({
        SERVER_PORT: "80",
        KAFKA_BROKERS: "kafka:9092",
        KAFKA_STREAMS_THREAD_COUNT: "1",
        KAFKA_CACHE_MAX_BYTES: "10485760",
      });
      expect(environment.JAVA_TOOL_OPTIONS, name).toMatch(/-Xmx\d+m/);
      expect(depends_on.topics?.condition, name).toBe("service_completed_successfully");
      expect(networks?.default?.aliases, name).toContain(`${name}.airy`);
    }
    const durable = new Set(
      [...services.values()].flatMap(({ volumes = [] }) => volumes.filter(({ type }) => type === "volume")).map(({ source }) => source),
    );
    expect([...durable].toSorted()).toEqual(["kafka", "zookeeper"]);
    // Neither the shell's nor compose's own way with dollars gets at a secret.
    expect(services.get("sources-facebook-connector")?.environment?.FACEBOOK_APP_SECRET?.replaceAll("$$", "$")).toBe("a$b");
    expect(services.get("api-admin")?.environment?.systemToken ?? null).toBeNull();
  });
});

test("images.env names every image of compose.yaml, and nothing else", () => {
  const used = [...readFileSync(path.join(dir, "compose.yaml"), "utf8").matchAll(/\$\{(\w+_IMAGE)/g)].map(([, name]) => name);
  const named = [...readFileSync(path.join(dir, "images.env"), "utf8").matchAll(/^(\w+)=/gm)].map(([, name]) => name);
  expect([...new Set(used)].toSorted()).toEqual(named.toSorted());
});

test("seventeen topics are made, each with three settings where it is compacted", () => {
  const text = readFileSync(path.join(dir, "topics.sh"), "utf8");
  const compacted = /compacted="([^"]*)"/.exec(text)?.[1]?.split(/\s+/) ?? [];
  const plain = /plain="([^"]*)"/.exec(text)?.[1]?.split(/\s+/) ?? [];
  expect(compacted.length + plain.length).toBe(17);
  expect(text.match(/--config /g)).toHaveLength(3);
});
