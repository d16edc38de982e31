/** What the Core edition needs to be secret and the same from start to start: all of it follows from one secret of the workspace. */
import { createHmac } from "node:crypto";
import { fail } from "../../../errors.ts";
import type { PlatformSpec } from "../../platform.ts";

function derived(spec: Pick<PlatformSpec, "secrets">, purpose: string): Buffer {
  const { platformSecret } = spec.secrets;
  if (platformSecret === undefined) return fail("INTERNAL", { reason: "the workspace has no platform secret" });
  return createHmac("sha512", platformSecret).update(`core ${purpose}`).digest();
}

/** By it the agent process shows the gateway that a delivery came through the tunnel and its check. */
export function gateTokenOf(spec: Pick<PlatformSpec, "secrets">): string {
  return derived(spec, "gate").toString("hex").slice(0, 48);
}

/** Airy decodes it from base64 and wants 32 bytes at least. */
export function jwtSecretOf(spec: Pick<PlatformSpec, "secrets">, purpose: "session" | "chatplugin"): string {
  return derived(spec, purpose).toString("base64");
}
