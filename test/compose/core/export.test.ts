/** What `airy export helm` writes, read as YAML and against the keys that Airy's chart documents. */
import { expect, test } from "vitest";
import { parse } from "yaml";
import { helmValues, proxyManifest } from "../../../cli/commands/export.ts";

test("values have the chart's keys, and no login that was not asked for", () => {
  const none = { token: undefined, origins: undefined, retentionDays: undefined };
  expect(parse(helmValues({ api: none }))).toEqual({
    global: { containerRegistry: "ghcr.io/airyhq", appImageTag: "0.56.0" },
    "ingress-controller": { ngrokEnabled: false },
  });
  const asked = { token: "t: #", origins: ["https://a.example", "*"], retentionDays: undefined };
  expect(parse(helmValues({ api: asked }))).toMatchObject({ security: { systemToken: "t: #", allowedOrigins: "https://a.example,*" } });
});

test("the tunnel exposes the webhook paths alone, once", () => {
  const text = proxyManifest({ edge: null, core: { profiles: ["viber", "contacts"], variables: {} } }, "/w/.airy/identity");
  const { kind, spec } = parse(text) as {
    kind: string;
    spec: { replicas: number; template: { spec: { containers: { args: string[] }[] } } };
  };
  expect([kind, spec.replicas]).toEqual(["Deployment", 1]);
  expect(spec.template.spec.containers[0]?.args).toEqual([
    "proxy",
    "ingress-nginx-controller:80",
    "--edge",
    "tunnel.airy.co:22",
    "--path",
    "/facebook",
    "--path",
    "/viber",
    "--identity",
    "/run/airy/identity",
  ]);
});
