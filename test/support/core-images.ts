/**
 * Stand-ins for Airy Core's images, under their own names behind another registry, so that real ones are never hidden by them. One image
 * with one script, and on top of it for each reference no more than which one it is; the gateway's is this machine's nginx.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { docker } from "./docker.ts";

const REGISTRY = "airy-test/core";
const root = path.resolve(import.meta.dirname, "../..");

/** Variables for `airy up --edition core`. `connector`: version of the Facebook connector. Builds what is not there. */
export function buildCoreImages(connector: "0.49.0" | "0.56.0" = "0.49.0"): Record<string, string> {
  const script = readFileSync(path.join(root, "test/support/images/core.mjs"), "utf8");
  const list = readFileSync(path.join(root, "compose/core/images.env"), "utf8");
  const base = `${REGISTRY}:${createHash("sha256")
    .update(script)
    .update(process.env.AIRY_NODE_IMAGE ?? "")
    .digest("hex")
    .slice(0, 12)}`;
  const registry = `${REGISTRY}-${base.split(":")[1]}`;
  const env: Record<string, string> = { AIRY_CORE_REGISTRY: registry };
  const wanted: { image: string; role: string; version: string }[] = [];
  for (const [, name = "", reference = ""] of list.matchAll(/^(AIRY_CORE_\w+_IMAGE)=(\S+)$/gm)) {
    const role = reference.replace(/^(ghcr\.io\/airyhq|docker\.io)\//, "").replace(/:[^:]*$/, "");
    const version = reference.split(":").at(-1) ?? "";
    const image = `${registry}/${role}:${version}`;
    if (!reference.startsWith("ghcr.io/airyhq/")) env[name] = image;
    wanted.push({ image, role, version });
  }
  const other = `${registry}/sources/facebook-connector:0.56.0`;
  wanted.push({ image: other, role: "sources/facebook-connector", version: "0.56.0" });
  if (connector === "0.56.0") env.AIRY_CORE_FACEBOOK_CONNECTOR_IMAGE = other;
  if (!isThere(base)) buildBase(base, script);
  for (const { image, role, version } of wanted) if (!isThere(image)) build(image, `FROM ${base}\nENV ROLE=${role} VERSION=${version}\n`);
  return env;
}

function isThere(image: string): boolean {
  try {
    docker("image", "inspect", image);
    return true;
  } catch {
    return false;
  }
}

function build(image: string, dockerfile: string): void {
  execFileSync("docker", ["build", "--quiet", "--tag", image, "-"], { input: dockerfile, stdio: ["pipe", "ignore", "pipe"] });
}

/** Node with our script, bash and the names under which Airy's images are called; and nginx with the libraries that it needs. */
function buildBase(image: string, script: string): void {
  const dir = mkdtempSync(path.join(os.tmpdir(), "airy-core-image-"));
  try {
    writeFileSync(path.join(dir, "core.mjs"), script);
    writeFileSync(path.join(dir, "kafka-topics.sh"), '#!/bin/sh\nROLE=kafka-topics.sh exec node /core.mjs "$@"\n', { mode: 0o755 });
    const libraries = execFileSync("ldd", ["/usr/sbin/nginx"], { encoding: "utf8" });
    for (const [, file = ""] of libraries.matchAll(/=> (\/\S+\/lib(?!c\.so)\S+)/g)) copyFileSync(file, path.join(dir, path.basename(file)));
    copyFileSync("/usr/sbin/nginx", path.join(dir, "nginx.bin"));
    const start = '#!/bin/sh\nLD_LIBRARY_PATH=/opt/nginx exec /opt/nginx/nginx.bin "$@"\n';
    writeFileSync(path.join(dir, "nginx"), start, { mode: 0o755 });
    const lines = [
      `FROM ${process.env.AIRY_NODE_IMAGE}`,
      "COPY core.mjs /core.mjs",
      "COPY kafka-topics.sh nginx /usr/local/bin/",
      "COPY *.so* nginx.bin /opt/nginx/",
      'ENTRYPOINT ["node", "/core.mjs"]',
      "CMD []",
    ];
    writeFileSync(path.join(dir, "Dockerfile"), `${lines.join("\n")}\n`);
    execFileSync("docker", ["build", "--quiet", "--tag", image, dir], { stdio: ["ignore", "ignore", "pipe"] });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
