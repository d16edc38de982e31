/**
 * The settings of an edge: one schema for flags, environment and file. Each key is the name of a flag, of a variable (`AIRY_` + the name in
 * capitals) and of a key in the file.
 */
import path from "node:path";
import { z } from "zod";
import { faultInDomain, type EdgeConfig } from "./config.ts";
import { EdgeError } from "./errors.ts";
import { Limits } from "./limits.ts";
import { faultInCidr } from "./peers/trust.ts";

/** `[host:]port`, `:port` meaning every address. */
const ADDRESS = /^(?:(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]*):)?([0-9]{1,5})$/i;

/** In a file a port alone is a number. */
const Address = z.preprocess(
  (value) => (typeof value === "number" ? String(value) : value),
  z.string().refine((text) => Number(ADDRESS.exec(text)?.[2] ?? Infinity) <= 65_535, "is not [host:]port"),
);
const File = z.string().min(1);
const Network = z.string().check((context) => {
  const fault = faultInCidr(context.value);
  if (fault) context.issues.push({ code: "custom", input: context.value, message: `${JSON.stringify(context.value)} ${fault}` });
});

/** In lower case, as a Host header names it. */
const Host = z
  .string()
  .refine((text) => text === text.toLowerCase() && text.includes(".") && faultInDomain(text) === null, "is not a host name");

const Fields = z.strictObject({
  /** Names are `<identifier>.<domain>`. */
  domain: z.string({ error: "is missing: names are <identifier>.DOMAIN" }).check((context) => {
    const fault = faultInDomain(context.value);
    if (fault) context.issues.push({ code: "custom", input: context.value, message: `${JSON.stringify(context.value)} ${fault}` });
  }),
  ssh: Address.default("127.0.0.1:2222"),
  http: Address.default("127.0.0.1:8080"),
  /** By default that of http, port 8443; without TLS there is none. */
  https: Address.optional(),
  /** Health and metrics. */
  admin: Address.optional(),
  /** Claims, host key, certificates and held webhooks. */
  data: File.default("airy-edge"),
  tls: z.enum(["off", "files", "acme"]).default("off"),
  "tls-cert": File.optional(),
  "tls-key": File.optional(),
  /** Of the authority. */
  "acme-directory": z.url({ protocol: /^https$/, error: "is not an https URL" }).default("https://acme-v02.api.letsencrypt.org/directory"),
  "acme-email": z.email({ error: "is not an address" }).optional(),
  /** For single names. */
  "acme-challenge": z.enum(["http-01", "tls-alpn-01"]).default("http-01"),
  /** Program that writes into DNS: then there is one certificate for all names. */
  "acme-hook": File.optional(),
  /** Browsers that open a page by http are sent to https. */
  redirect: z.boolean().default(false),
  "authorized-keys": File.optional(),
  "denied-keys": File.optional(),
  /** Port in the URLs that clients are told. */
  "public-port": z.int().min(1).max(65_535).optional(),
  /** Proxies in front, whose word on where a connection or request comes from is believed. */
  trust: z.preprocess((value) => (typeof value === "string" ? [value] : value), z.array(Network)).default([]),
  /** Of what the edge writes to stderr; default: text on a terminal, else json. */
  log: z.enum(["json", "text"]).optional(),
  limits: Limits.prefault({}),
  /** Hosts of their own that lead to a name, by host. */
  hosts: z.record(Host, z.string().regex(/^[a-z0-9-]{3,63}$/, "is not a name")).default({}),
});

/** Which of them are files or folders: relative to where they are said. */
const PATHS = ["data", "tls-cert", "tls-key", "acme-hook", "authorized-keys", "denied-keys"] as const;

export const Settings = Fields.superRefine((settings, context) => {
  const wrong = (message: string) => context.addIssue({ code: "custom", message });
  const files = settings["tls-cert"] !== undefined && settings["tls-key"] !== undefined;
  if (settings.tls === "files" && !files) wrong("tls: files needs tls-cert and tls-key");
  if (settings.tls !== "files" && (settings["tls-cert"] ?? settings["tls-key"])) wrong("tls-cert and tls-key need tls: files");
  if (settings.tls !== "acme" && (settings["acme-email"] ?? settings["acme-hook"])) wrong("acme-email and acme-hook need tls: acme");
  const ours = Object.keys(settings.hosts).find((host) => `.${host}`.endsWith(`.${settings.domain}`));
  if (ours) wrong(`hosts.${ours} is below the domain, where names are claimed`);
  // Half of it would be an edge without https that looks as if it had it.
  if (settings.tls === "off" && (settings.https || settings.redirect)) wrong("https and redirect need tls: files or acme");
});
export type Settings = z.output<typeof Settings>;

export const SETTING_NAMES = Object.keys(Fields.shape);

/** What one place says: its values, and what relative paths begin at. Absent and undefined are the same. */
export interface SettingsLayer {
  values: Readonly<Record<string, unknown>>;
  folder: string;
}

/** The layers together, earlier ones winning, limits one by one. Throws EDGE_CONFIG, which names what is wrong. */
export function readSettings(layers: readonly SettingsLayer[]): Settings {
  const merged: Record<string, unknown> = {};
  for (const { values, folder } of layers.toReversed()) {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) continue;
      merged[name] =
        name === "limits" && isRecord(value) && isRecord(merged[name]) ? { ...merged[name], ...value } : located(name, value, folder);
    }
  }
  const parsed = Settings.safeParse(merged);
  if (parsed.success) return { ...parsed.data, data: path.resolve(layers[0]?.folder ?? "", parsed.data.data) };
  throw new EdgeError("EDGE_CONFIG", `${parsed.error.issues.map(text).join("; ")}.`);
}

function text({ path: where, message, code, ...issue }: z.core.$ZodIssue): string {
  if (code === "unrecognized_keys" && "keys" in issue) return `there is no ${[...where, ""].join(".")}${issue.keys.join(", ")}`;
  return where.length > 0 ? `${where.join(".")} ${message}` : message;
}

function located(name: string, value: unknown, folder: string): unknown {
  return (PATHS as readonly string[]).includes(name) && typeof value === "string" && value !== "" ? path.resolve(folder, value) : value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What {@link startEdge} is given. */
export function configOf(settings: Settings): Omit<EdgeConfig, "log"> {
  const http = listen(settings.http);
  return {
    domain: settings.domain,
    ssh: listen(settings.ssh),
    http,
    https: settings.tls === "off" ? null : settings.https ? listen(settings.https) : { host: http.host, port: 8443 },
    tls: tlsOf(settings),
    redirect: settings.redirect,
    admin: settings.admin ? listen(settings.admin) : null,
    dataDir: settings.data,
    hostKey: null,
    access: { authorizedKeys: settings["authorized-keys"] ?? null, deniedKeys: settings["denied-keys"] ?? null },
    publicPort: settings["public-port"] ?? null,
    trust: settings.trust,
    limits: settings.limits,
    hosts: settings.hosts,
  };
}

function tlsOf(settings: Settings): NonNullable<EdgeConfig["tls"]> {
  const { tls: mode, "tls-cert": cert = "", "tls-key": key = "" } = settings;
  if (mode === "off") return { mode };
  if (mode === "files") return { mode, cert, key };
  return {
    mode,
    directory: settings["acme-directory"],
    email: settings["acme-email"] ?? null,
    challenge: settings["acme-challenge"],
    hook: settings["acme-hook"] ?? null,
  };
}

function listen(address: string): { host: string; port: number } {
  const [, host, port] = ADDRESS.exec(address) ?? [];
  if (host === undefined) return { host: "127.0.0.1", port: Number(port) };
  return { host: host === "" ? "0.0.0.0" : host.replace(/^\[|\]$/g, ""), port: Number(port) };
}
