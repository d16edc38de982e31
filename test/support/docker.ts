/**
 * Tests of the docker engine run where `test/run` has found one with Compose and the base images, and says so by AIRY_TEST_DOCKER=1.
 * By hand, where the official images cannot be pulled:
 *
 *     AIRY_TEST_DOCKER=1 AIRY_NODE_IMAGE=$(sh test/support/images/build.sh node) \
 *       AIRY_POSTGRES_IMAGE=$(sh test/support/images/build.sh postgres) npx vitest run test/cli/platform/compose
 */
import { execFileSync } from "node:child_process";

export const hasDocker = process.env.AIRY_TEST_DOCKER === "1";

export function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/** What docker has of a compose project: containers, volumes, networks, by name. */
export function leftOf(project: string): string[] {
  const filter = ["--filter", `label=com.docker.compose.project=${project}`];
  return [
    docker("ps", "--all", ...filter, "--format", "container {{.Names}}"),
    docker("volume", "ls", ...filter, "--format", "volume {{.Name}}"),
    docker("network", "ls", ...filter, "--format", "network {{.Name}}"),
  ]
    .flatMap((lines) => lines.split("\n"))
    .filter((line) => line !== "");
}
