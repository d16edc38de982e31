/** Asks the running platform of a workspace for its own upkeep: reprocess, backup, restore. */
import type http from "node:http";
import type { Readable } from "node:stream";
import { findAgent } from "../agent/record.ts";
import { readConfig } from "../config/config.ts";
import type { WorkspacePaths } from "../config/paths.ts";
import { type Secrets, readSecrets, readState } from "../config/state.ts";
import type { Context } from "../context.ts";
import { fail } from "../errors.ts";
import { openHttp } from "../io/http.ts";

export interface Admin {
  secrets: Secrets;
  /** The answer's body is the caller's to read. Throws PLATFORM_REFUSED. */
  ask(command: string, headers?: Record<string, string>, body?: Readable): Promise<http.IncomingMessage>;
}

/** Throws NOT_RUNNING. */
export async function adminOf(paths: WorkspacePaths, { io, signal }: Context): Promise<Admin> {
  const [{ ports }, secrets, { api }] = await Promise.all([readState(paths), readSecrets(paths), readConfig(paths.config, io.env)]);
  if (!(await findAgent(paths)) || !ports || !secrets) return fail("NOT_RUNNING", { workspace: paths.root });
  return {
    secrets,
    async ask(command, headers, body) {
      const own: Record<string, string> = api.token === undefined ? {} : { authorization: `Bearer ${api.token}` };
      const url = `http://127.0.0.1:${ports.platform}/admin.${command}`;
      const request = { method: "POST", url, headers: { ...own, ...headers }, signal, ...(body ? { body } : {}) };
      const answer = await openHttp(request).catch((error: Error) => fail("PLATFORM_REFUSED", { command, reason: `${error.message}.` }));
      if (answer.statusCode === 200) return answer;
      return fail("PLATFORM_REFUSED", { command, reason: await reasonOf(answer) });
    },
  };
}

/** The beginning of what it says. */
async function reasonOf(answer: http.IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of answer.setEncoding("utf8")) {
    text += String(chunk);
    if (text.length > 4_000) break;
  }
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string") return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  } catch {
    // No JSON: the status says what there is to say.
  }
  return `It answered ${answer.statusCode}.`;
}
