/** `airy list`: the workspaces of this user that run on this machine. */
import { fetchState } from "../agent/client.ts";
import { findAgent } from "../agent/record.ts";
import { rootsOf } from "../config/marks.ts";
import { readState } from "../config/state.ts";
import { openWorkspace } from "../config/workspace.ts";
import type { Context } from "../context.ts";
import { asAiryError } from "../errors.ts";
import type { Io } from "../io/io.ts";
import type { Options } from "./table.ts";

interface Found {
  workspace: string;
  state: "running" | "degraded" | "stopped" | "silent" | "unusable";
  engine: string | null;
  sandbox: boolean;
  inbox: string | null;
  url: string | null;
}

export async function runList(options: Options<"list">, { io, out }: Context): Promise<void> {
  const all = await Promise.all((await rootsOf(io.env)).map((root) => look(root, io)));
  const shown = all
    .filter((one) => one !== null)
    .filter(({ state }) => options.all || (state !== "stopped" && state !== "unusable"))
    .toSorted((a, b) => (a.workspace < b.workspace ? -1 : 1));
  if (shown.length === 0)
    return out.result({ workspaces: [] }, { text: "Nothing runs.", hint: options.all ? "" : "all workspaces: airy list --all" });
  const width = Math.max(...shown.map(({ workspace }) => workspace.length));
  const lines = shown.map(({ state, workspace, inbox, url }) =>
    [state.padEnd(8), workspace.padEnd(width), inbox ?? "", url ?? ""].join("  ").trimEnd(),
  );
  out.result({ workspaces: shown }, { text: lines.join("\n") });
}

/** null: there is no workspace any more. */
async function look(root: string, io: Io): Promise<Found | null> {
  const nothing = { workspace: root, engine: null, sandbox: false, inbox: null, url: null };
  try {
    const paths = await openWorkspace(io, root);
    const { engine, sandbox, ports } = await readState(paths);
    if (engine === null) return null;
    const agent = await findAgent(paths);
    const found = { ...nothing, engine, sandbox: sandbox ?? false };
    if (!agent) return { ...found, state: "stopped" };
    const inbox = ports ? `http://127.0.0.1:${ports.platform}` : null;
    const status = await fetchState(agent).then(
      (answer) => answer.status,
      () => null,
    );
    if (!status) return { ...found, inbox, state: "silent" };
    return { ...found, state: status.state, inbox: status.platform.inboxUrl ?? inbox, url: status.tunnel?.url ?? null };
  } catch (error) {
    // One that was moved, copied or damaged says nothing about the others.
    if (asAiryError(error).code === "INTERNAL") throw error;
    return { ...nothing, state: "unusable" };
  }
}
