/** The Postgres of the docker engine for tests: a throw-away container of `AIRY_TEST_POSTGRES_IMAGE`, published on 127.0.0.1. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { PostgresHost } from "./postgres.ts";

const docker = (...args: string[]): string => execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/** Made, not started. */
export function postgresContainer(image: string, port: number, flags: string[]): PostgresHost & { password: string } {
  const password = randomBytes(12).toString("hex");
  const published = ["-p", `127.0.0.1:${port}:5432`];
  const settings = ["-e", "POSTGRES_USER=airy", "-e", "POSTGRES_DB=airy", "-e", `POSTGRES_PASSWORD=${password}`];
  const id = docker("create", "--label", "airy-test=postgres", ...published, ...settings, image, "postgres", ...flags);
  return {
    password,
    start: async () => void docker("start", id),
    /** The engine sends SIGKILL to every process in it. */
    kill9: async () => void docker("kill", id),
    stop: async () => void docker("stop", "--time", "30", id),
    freeze() {
      docker("pause", id);
      return () => void docker("unpause", id);
    },
    remove: () => void docker("rm", "--force", "--volumes", id),
  };
}
