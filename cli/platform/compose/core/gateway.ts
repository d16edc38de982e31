/** The gateway's configuration, from templates/core/nginx.conf: routes, guards, and what the stand-ins for controller and installer say. */
import template from "../../../../templates/core/nginx.conf";
import type { Profile } from "../../../config/core.ts";
import { coreServices } from "./profiles.ts";
import { routesOf } from "./routes.ts";

export interface GatewayConfig {
  profiles: readonly Profile[];
  /** By it the agent process shows that a delivery has come through the tunnel and its check. */
  gateToken: string;
  /** Names beside those of this machine under which the API is reached: what forwards it. */
  hosts: readonly string[];
  /** Origins of other pages that may use the API; `*` in one stands for any text without a slash, alone for all. */
  origins: readonly string[];
  /** Where the files are that {@link gatewayFiles} returns, seen by nginx. */
  files: string;
  /** Where nginx may write. */
  tmp: string;
  accessLog: string;
  /** What nginx listens on: main, health, controller. */
  listen: readonly [string, string, string];
  /** Service -> `host:port`, where it is not to be found by its name. */
  upstreams?: ReadonlyMap<string, string>;
}

/** What stands in the container. */
export const IN_CONTAINER = {
  files: "/run/airy/gateway",
  tmp: "/tmp",
  accessLog: "/dev/stdout",
  listen: ["8080", "8081", "80"],
} as const;

/** File name -> text. */
export function gatewayFiles(config: GatewayConfig): Map<string, string> {
  return new Map([
    ["nginx.conf", render(config)],
    ["services.json", JSON.stringify({ services: servicesOf(config.profiles) })],
    ["components.get.json", JSON.stringify({ components: Object.fromEntries(componentsOf(config.profiles).map((name) => [name, {}])) })],
    ["components.list.json", JSON.stringify({ components: catalogOf(config.profiles) })],
    // What is configured is in airy.yaml: nothing was changed.
    ["components.update.json", JSON.stringify({ components: {} })],
    ["components.delete.json", JSON.stringify({ components: {} })],
  ]);
}

function render(config: GatewayConfig): string {
  const { profiles, files, tmp, accessLog, listen, upstreams = new Map<string, string>() } = config;
  const routes = routesOf(profiles);
  const upstreamOf = (service: string, address: string): string => {
    const [, path = ""] = /^[^/]*(.*)$/.exec(address) ?? [];
    return `${upstreams.get(service) ?? address.slice(0, address.length - path.length)}${path}`;
  };
  const probes = [...coreServices(profiles)].filter((entry): entry is [string, { component: string; probe: string }] => !!entry[1].probe);
  const hosts = ["localhost", "127.0.0.1", "[::1]", ...config.hosts];
  const values: Record<string, string> = {
    routes: lines([...routes.map(({ path, service }) => `~*^${escaped(path)} ${service};`), "/ frontend-control-center;"]),
    upstreams: lines([...upstreams].map(([service, address]) => `${service} ${address};`)),
    probes: lines(probes.map(([name, { probe }]) => `/${name} ${upstreamOf(name, probe)};`)),
    webhooks: lines(routes.filter(({ webhook }) => webhook).map(({ path }) => `~*^${escaped(path)} yes;`)),
    origins: lines(config.origins.filter(isOriginPattern).map((origin) => `"~*^${originPattern(origin)}$" $http_origin;`)),
    hosts: lines(hosts.map((host) => `"~*^${escaped(host)}(:[0-9]+)?$" yes;`)),
    gateToken: `"${config.gateToken}"`,
    files,
    tmp,
    accessLog,
    listen: listen[0],
    listenHealth: listen[1],
    listenController: listen[2],
  };
  return template.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => values[name] ?? "");
}

function lines(entries: readonly string[]): string {
  return entries.map((entry) => `    ${entry}`).join("\n");
}

function escaped(text: string): string {
  return text.replaceAll(/[.[\]]/g, String.raw`\$&`);
}

/** Others no browser sends; and they come from airy.yaml, which must not write nginx's configuration. */
function isOriginPattern(text: string): boolean {
  return text === "*" || /^[a-z][a-z0-9+.-]*:\/\/[\w.:*[\]-]+$/i.test(text);
}

function originPattern(text: string): string {
  return text === "*"
    ? ".+"
    : escaped(text)
        .replaceAll("+", String.raw`\+`)
        .replaceAll("*", "[^/]*");
}

function servicesOf(profiles: readonly Profile[]): Record<string, { enabled: true; component: string }> {
  const named = [...coreServices(profiles)].filter(
    (entry): entry is [string, { component: string; probe: string }] => !!entry[1].component,
  );
  return Object.fromEntries(named.map(([service, { component }]) => [service, { enabled: true, component }]));
}

function componentsOf(profiles: readonly Profile[]): string[] {
  return [...new Set(Object.values(servicesOf(profiles)).map(({ component }) => component))];
}

/** The words of the catalog that the control center shows. */
const words: Readonly<Record<string, { displayName: string; category: string; isChannel: boolean }>> = {
  "sources-facebook": { displayName: "Facebook Messenger", category: "Channel", isChannel: true },
  "sources-chatplugin": { displayName: "Airy Live Chat", category: "Channel", isChannel: true },
  "sources-whatsapp": { displayName: "WhatsApp Business Cloud", category: "Channel", isChannel: true },
  "sources-twilio": { displayName: "Twilio", category: "Channel", isChannel: true },
  "sources-viber": { displayName: "Viber", category: "Channel", isChannel: true },
  "integration-webhook": { displayName: "Webhooks", category: "Integration", isChannel: false },
  "api-contacts": { displayName: "Contacts", category: "API", isChannel: false },
  "frontend-inbox": { displayName: "Inbox", category: "UI", isChannel: false },
};

/** A map, not the list that Airy's documentation shows; from its control center's reducers. */
function catalogOf(profiles: readonly Profile[]): Record<string, object> {
  const known = componentsOf(profiles).flatMap((name) => (words[name] ? [[name, words[name]] as const] : []));
  return Object.fromEntries(
    known.map(([name, { displayName, category, isChannel }]) => [
      name,
      {
        name,
        displayName,
        installationStatus: "installed",
        isChannel: String(isChannel),
        configurationValues: "{}",
        source: name.replace(/^sources-/, ""),
        category,
        price: "Free",
        description: "",
        docs: "",
        availableFor: "opensource",
        repository: "airy-core",
      },
    ]),
  );
}
