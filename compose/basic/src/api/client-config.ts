/** `client.config`: what a client needs to know before it shows anything. */
import { z } from "zod";
import { json } from "../http/reply.ts";
import type { Routes } from "../http/server.ts";
import { endpoint } from "./endpoint.ts";

/** The release of Airy Core whose API this is. */
const CLUSTER_VERSION = "0.56.0";

const color = (hex: string, background: string, position: number) => ({ default: hex, background, font: hex, position, border: hex });

const tagColors = {
  "tag-blue": color("1578D4", "F5FFFF", 1),
  "tag-red": color("E0243A", "FFF7F9", 2),
  "tag-green": color("0E764F", "F5FFFB", 3),
  "tag-purple": color("730A80", "FEF7FF", 4),
};

export function clientConfigRoutes(facebookConfigured: boolean): Routes {
  const service = (component: string, enabled = true) => ({ enabled, healthy: true, component });
  const services = {
    "api-admin": service("api-admin"),
    "api-communication": service("api-communication"),
    "api-websocket": service("api-websocket"),
    "frontend-inbox": service("frontend-inbox"),
    "sources-facebook-connector": service("sources-facebook", facebookConfigured),
    "sources-facebook-events-router": service("sources-facebook", facebookConfigured),
  };
  const config = { services, user_profile: null, tag_config: { colors: tagColors }, cluster_version: CLUSTER_VERSION };
  return new Map([["/client.config", endpoint(z.unknown(), async () => json(200, config))]]);
}
