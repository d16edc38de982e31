/** Which callback URLs a workspace has had: a webhook that points to one of them is ours to change. */
import type { WorkspacePaths } from "../config/paths.ts";
import { readState, writeState, type State } from "../config/state.ts";
import { isNamedAfter, type Identity } from "../tunnel/identity.ts";

const KEPT = 20;

/** Only those under a name of this workspace's key: a list alone, whoever wrote it, makes nobody's webhook ours. */
export async function earlierCallbacks(paths: WorkspacePaths, identity: Pick<Identity, "publicKey">): Promise<string[]> {
  return (await readState(paths)).callbacks.filter((url) => isNamedAfter(identity, url));
}

/** @param change what else is known by now. */
export async function rememberCallback(paths: WorkspacePaths, url: string, change: (state: State) => Partial<State>): Promise<void> {
  const state = await readState(paths);
  const callbacks = [...state.callbacks.filter((known) => known !== url), url].slice(-KEPT);
  await writeState(paths, { ...state, ...change(state), callbacks });
}
