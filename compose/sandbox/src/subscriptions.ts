/** App level: `/{app-id}/subscriptions`, one callback for each object. */
import { graphErrors } from "./errors.ts";
import { requireKnownFields, requireKnownObject } from "./fields.ts";
import { verifyCallback } from "./handshake.ts";
import type { FacebookSandboxConfig } from "./config.ts";
import { type GraphRequest, type Params, listParam, textParam } from "./request.ts";
import type { SandboxState } from "./state.ts";

/** Everything but the verify token, which Meta never gives out. */
export function listSubscriptions(state: SandboxState): unknown {
  return {
    data: [...state.subscriptions.values()].map((row) => ({
      object: row.object,
      callback_url: row.callbackUrl,
      active: row.active,
      fields: [...row.fields].map(([name, version]) => ({ name, version })),
    })),
  };
}

/**
 * Amends the object's row: callback and token are replaced, listed fields are added, others stay, an inactive row becomes active. The
 * callback is verified first, and nothing changes when that fails. Throws GraphError.
 */
export async function amendSubscription(config: FacebookSandboxConfig, state: SandboxState, request: GraphRequest): Promise<unknown> {
  const object = required(request.params, "object");
  requireKnownObject(object);
  // Whether Meta accepts a POST without a callback is not documented; that it does not is an assumption.
  const callbackUrl = required(request.params, "callback_url");
  const verifyToken = required(request.params, "verify_token");
  if (!/^https?:$/.test(protocolOf(callbackUrl))) throw graphErrors.parameterWrong("callback_url", "must be a valid URI");
  const fields = listParam(request.params, "fields") ?? [];
  requireKnownFields("fields", object, fields);

  await verifyCallback(config.http, callbackUrl, verifyToken);

  const merged = new Map(state.subscriptions.get(object)?.fields);
  for (const field of fields) merged.set(field, request.version);
  const includeValues = ["true", "1"].includes(textParam(request.params, "include_values") ?? "");
  state.subscriptions.set(object, { object, callbackUrl, verifyToken, includeValues, active: true, fields: merged });
  config.log(`subscription of ${object}: ${callbackUrl}, fields ${[...merged.keys()].join(", ")}`);
  return { success: true };
}

/** Without `object` all rows go; with `fields` only those fields of the object. */
export function deleteSubscription(config: FacebookSandboxConfig, state: SandboxState, request: GraphRequest): unknown {
  const object = textParam(request.params, "object");
  const fields = listParam(request.params, "fields");
  if (object === null) state.subscriptions.clear();
  else if (fields === null) state.subscriptions.delete(object);
  else for (const field of fields) state.subscriptions.get(object)?.fields.delete(field);
  config.log(`subscription of ${object ?? "all objects"} deleted${fields ? `: fields ${fields.join(", ")}` : ""}`);
  return { success: true };
}

function required(params: Params, name: string): string {
  const value = textParam(params, name);
  if (value === null) throw graphErrors.parameterMissing(name);
  return value;
}

function protocolOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : "";
}
