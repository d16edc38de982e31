/** `airy export helm`: what this workspace comes to in a Kubernetes cluster, for Airy's own Helm chart and for the tunnel beside it. */
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { stringify } from "yaml";
import { readConfig, type Config } from "../config/config.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { writeAtomic } from "../io/files.ts";
import { webhookPaths } from "../platform/platform.ts";
import manifest from "../../templates/kubernetes/airy-proxy.yaml";
import { exportReport } from "./export-report.ts";
import type { Options } from "./table.ts";

const VERSION = "0.56.0";

/** Throws what {@link exportReport} and {@link exportHelm} throw. */
export async function runExport(options: Options<"export">, ctx: Context): Promise<void> {
  return options.what === "helm" ? exportHelm(options, ctx) : exportReport(options, ctx);
}

/** Throws CONFIG_INVALID. What is there under these names is replaced. */
async function exportHelm(options: Options<"export">, ctx: Context): Promise<void> {
  const { io, out } = ctx;
  const paths = await openWorkspace(io, options.workspace);
  const config = await readConfig(paths.config, io.env);
  const dir = path.resolve(io.cwd, options.dir ?? "airy-helm");
  await mkdir(dir, { recursive: true });
  const files = { values: path.join(dir, "values.yaml"), manifest: path.join(dir, "airy-proxy.yaml") };
  await writeAtomic(files.values, helmValues(config), 0o600);
  await writeAtomic(files.manifest, proxyManifest(config, paths.identity));
  const chart = `https://helm.airy.co/charts/airy-${VERSION}.tgz`;
  const text = [
    `Wrote ${files.values} and ${files.manifest}.`,
    `helm install airy-release ${chart} --values ${files.values}`,
    `After airy down: ${secretCommand(paths.identity)}`,
    `kubectl apply -f ${files.manifest}`,
  ];
  out.result(files, { text: text.join("\n") });
}

/** Keys of the chart `airy` 0.56.0, infrastructure/helm-chart/values.yaml. Sources are charts of their own since 0.48. */
export function helmValues({ api }: Pick<Config, "api">): string {
  const security = { ...(api.token && { systemToken: api.token }), ...(api.origins && { allowedOrigins: api.origins.join(",") }) };
  const values = {
    global: { containerRegistry: "ghcr.io/airyhq", appImageTag: VERSION },
    // The chart's own tunnel; airy-proxy takes its place.
    "ingress-controller": { ngrokEnabled: false },
    ...(Object.keys(security).length > 0 && { security }),
  };
  return `# For Airy's Helm chart ${VERSION}. Written by airy export helm.\n${stringify(values)}`;
}

function secretCommand(identity: string): string {
  return `kubectl create secret generic airy-proxy --from-file=identity=${identity} --from-literal=app-secret=...`;
}

/**
 * The tunnel to the ingress controller of the cluster, with the paths that are public here. Meta's signatures are checked by it: the
 * connector that gets along with them, 0.49.0, checks none. That check is for all paths, so that it is left out where one is not Meta's.
 */
export function proxyManifest({ edge, core }: Pick<Config, "edge" | "core">, identity: string): string {
  const exposed = webhookPaths(core.profiles);
  const values: Record<string, string> = {
    secret: secretCommand(identity),
    image: "airy-up:latest",
    target: "ingress-nginx-controller:80",
    edge: edge ?? "tunnel.airy.co:22",
  };
  const metas = exposed.every((each) => each === "/facebook");
  const listed = exposed.flatMap((each) => ["--path", each]).join(", ");
  const verify = metas ? "--verify, facebook" : "";
  return manifest
    .replace('"{{paths}}"', listed)
    .replace(', "{{verify}}"', verify && `, ${verify}`)
    .replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => values[name] ?? "");
}
