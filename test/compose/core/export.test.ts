/** What `airy export helm` writes, read as YAML and against the keys that Airy's chart documents. */
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { parse as parseCommand } from "../../../cli/commands/parse.ts";
import type { Profile } from "../../../cli/config/core.ts";
import { helmValues, proxyManifest } from "../../../cli/commands/export.ts";

/** What the chart documents, of which we write a part; a key beside these is a mistake. */
const text = z.string().min(1);
const chart = z.strictObject({
  global: z.strictObject({ containerRegistry: text, appImageTag: text, host: text.optional() }),
  "ingress-controller": z.strictObject({ ngrokEnabled: z.boolean() }),
  security: z.strictObject({ systemToken: text.optional(), jwtSecret: text.optional(), allowedOrigins: text.optional() }).optional(),
});

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/, of which we use these. */
const labels = z.record(z.string(), text);
const secretItems = z.array(z.strictObject({ key: text, path: text }));
const secretKey = z.strictObject({ secretKeyRef: z.strictObject({ name: text, key: text }) });
const container = z.strictObject({
  name: text,
  image: text,
  args: z.array(text),
  env: z.array(z.union([z.strictObject({ name: text, value: text }), z.strictObject({ name: text, valueFrom: secretKey })])),
  volumeMounts: z.array(z.strictObject({ name: text, mountPath: text, readOnly: z.boolean().optional() })),
  resources: z.strictObject({
    requests: z.strictObject({ memory: z.string().regex(/^\d+Mi$/), cpu: z.string().regex(/^\d+m$/) }),
    limits: z.strictObject({ memory: z.string().regex(/^\d+Mi$/) }),
  }),
  securityContext: z.strictObject({
    readOnlyRootFilesystem: z.literal(true),
    allowPrivilegeEscalation: z.literal(false),
    capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
  }),
});
const volume = z.union([
  z.strictObject({ name: text, secret: z.strictObject({ secretName: text, defaultMode: z.literal(0o400), items: secretItems }) }),
  z.strictObject({ name: text, emptyDir: z.strictObject({}) }),
]);
const deployment = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata: z.strictObject({ name: text, labels }),
  spec: z.strictObject({
    replicas: z.literal(1),
    strategy: z.strictObject({ type: z.literal("Recreate") }),
    selector: z.strictObject({ matchLabels: labels }),
    template: z.strictObject({
      metadata: z.strictObject({ labels }),
      spec: z.strictObject({ containers: z.tuple([container]), volumes: z.array(volume) }),
    }),
  }),
});

test("values have keys that the chart documents alone, and no login that was not asked for", () => {
  const none = { token: undefined, origins: undefined, retentionDays: undefined };
  expect(chart.parse(parse(helmValues({ api: none })))).toEqual({
    global: { containerRegistry: "ghcr.io/airyhq", appImageTag: "0.56.0" },
    "ingress-controller": { ngrokEnabled: false },
  });
  const asked = { token: "t: #\n\"'", origins: ["https://a.example", "*"], retentionDays: undefined };
  expect(chart.parse(parse(helmValues({ api: asked }))).security).toEqual({
    systemToken: asked.token,
    allowedOrigins: "https://a.example,*",
  });
});

function proxy(profiles: Profile[]): { args: string[]; hanging: string[] } {
  const made = parse(proxyManifest({ edge: null, core: { profiles, variables: {} } }, "/w/.airy/identity"));
  const { spec } = deployment.parse(made);
  expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels);
  const [{ args, volumeMounts }] = spec.template.spec.containers;
  const volumes = new Set(spec.template.spec.volumes.map(({ name }) => name));
  return { args, hanging: volumeMounts.map(({ name }) => name).filter((name) => !volumes.has(name)) };
}

test("the tunnel's arguments are a command line of ours: the webhook paths alone, and Meta's signatures checked where all are Meta's", () => {
  const common = ["proxy", "ingress-nginx-controller:80", "--edge", "tunnel.airy.co:22", "--path", "/facebook"];
  const identity = ["--identity", "/run/airy/identity"];
  expect(proxy(["facebook", "contacts"])).toEqual({ args: [...common, ...identity, "--verify", "facebook"], hanging: [] });
  const { args } = proxy(["viber", "contacts"]);
  expect(args).toEqual([...common, "--path", "/viber", ...identity]);
  expect(parseCommand(args, {}, "1.0.0")).toMatchObject({ name: "proxy" });
});
