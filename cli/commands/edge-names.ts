/** `airy edge names`: which key has which name, and what the operator takes away or keeps. */
import { EdgeError, orderNames, type NamesOrder } from "../../edge/index.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import { edgeFolder } from "./edge-settings.ts";
import type { Options } from "./table.ts";

export async function runNames(options: Options<"edge">, { io, out }: Context): Promise<void> {
  const order = orderOf(options);
  const answer = await orderNames(edgeFolder(options, io), order).catch((error: unknown) => {
    if (error instanceof EdgeError) return fail("EDGE_START", { code: error.code, reason: error.message });
    throw error;
  });
  if (!answer.ok) return wrong(answer.reason);
  if (order.action !== "list") return out.result({ [order.action]: order.name }, { text: `${order.name}: ${DONE[order.action]}` });
  const names = (answer.names ?? []).map(({ claimedAt, lastSeen, ...rest }) => ({ ...rest, claimed: iso(claimedAt), used: iso(lastSeen) }));
  const line = ({ name, fingerprint, used, reserved }: (typeof names)[number]) =>
    `${name}  ${fingerprint ?? "nobody"}  last used ${used}${reserved ? "  reserved" : ""}`;
  out.result({ names }, { text: names.length > 0 ? names.map(line).join("\n") : "No name is claimed." });
}

const DONE = {
  revoke: "revoked; its tunnel and what was held for it are gone, and nobody gets it until it is released",
  reserve: "reserved",
  release: "released",
};

function orderOf({ action, name, key }: Options<"edge">): NamesOrder {
  if (action === undefined) return wrong("Which? airy edge names list | revoke NAME | reserve NAME [--key SHA256:...] | release NAME");
  if (key !== undefined && action !== "reserve") return wrong("--key goes with reserve.");
  if (key !== undefined && !/^SHA256:[A-Za-z0-9+/]{43}$/.test(key))
    return wrong(`--key ${key} is not a fingerprint (ssh-keygen -l prints it).`);
  if (action === "list") return name === undefined ? { action } : wrong("list takes no name.");
  if (name === undefined) return wrong(`Which name? airy edge names ${action} NAME`);
  if (action === "reserve") return { action, name, fingerprint: key ?? null };
  return { action: action === "release" ? "release" : "revoke", name };
}

function wrong(reason: string): never {
  return fail("INVALID_ARGUMENT", { command: "edge", reason });
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
