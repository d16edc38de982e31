/** Names and pictures of customers: asked for once a conversation, in the background, and told by `metadata.updated`. */
import { z } from "zod";
import type { Database } from "../database/connect.ts";
import type { ConversationState } from "../database/rows.ts";
import { stateColumns } from "../database/rows.ts";
import type { Vault } from "../database/vault.ts";
import type { Task } from "../jobs.ts";
import type { Events } from "../live/events.ts";
import { storable } from "../text.ts";
import type { GraphClient } from "./graph.ts";
import { GraphFailure } from "./graph.ts";

interface Dependencies {
  database: Database;
  events: Events;
  vault: Vault;
  graph: GraphClient | null;
  log: (line: string) => void;
}

const payload = z.object({ conversation: z.string() });

/** Notes to oneself keep the name that says so. */
const select = {
  name: "profile_wanted",
  text: `select c.source, c.source_conversation_id as customer, ch.token, c.fetch_state from conversation c
    join channel ch on ch.id = c.channel_id and ch.connected
    where c.id = $1 and c.source_conversation_id <> ch.source_channel_id`,
};
const update = {
  name: "set_profile",
  text: `update conversation c set
      display_name = case when c.renamed or $2::text is null then c.display_name else $2 end,
      name_lower = case when c.renamed or $2::text is null then c.name_lower else $3 end,
      avatar_url = coalesce($4, c.avatar_url), fetch_state = $5, version = c.version + 1
    where c.id = $1 returning ${stateColumns}`,
};
const forget = {
  name: "forget_profile",
  text: `with c as (update conversation set fetch_state = null where id = $1 returning id)
    select airy_jobs.add_job('profile', json_build_object('conversation', id), job_key => 'profile:' || id, max_attempts => 8) from c`,
};

/** The task `profile`: queued by the database with each new conversation. */
export function createProfileTask({ database, events, vault, graph, log }: Dependencies): Task {
  async function keep(conversation: string, name: string | null, picture: string | null, state: "ok" | "failed"): Promise<void> {
    const known = name === null ? null : storable(name.slice(0, 500));
    const values = [conversation, known, known?.toLowerCase() ?? null, picture === null ? null : storable(picture.slice(0, 2_000)), state];
    const [row] = await database.query<ConversationState>(update, values);
    if (row) events.conversationMetadata(row);
  }

  return async (given, { lastTry, signal }) => {
    const { conversation } = payload.parse(given);
    const [wanted] = await database.query<{ source: string; customer: string; token: string | null; fetch_state: string | null }>(select, [
      conversation,
    ]);
    const token = wanted?.token ? vault.open(wanted.token) : null;
    if (!wanted || token === null || graph === null || wanted.fetch_state === "ok") return;
    try {
      const { name, pictureUrl } = await graph.profile(token, wanted.source, wanted.customer, signal);
      await keep(conversation, name, pictureUrl, name === null ? "failed" : "ok");
    } catch (error) {
      if (!(error instanceof GraphFailure)) throw error;
      const final = lastTry || (error.kind === "refused" && !error.transient && !error.deadToken);
      if (!final) throw error;
      log(`no name for conversation ${conversation}: ${error.message}`);
      await keep(conversation, null, null, "failed");
    }
  };
}

/** Asks again, whatever came of it before. */
export async function refetchProfile(database: Database, conversation: string): Promise<void> {
  await database.query(forget, [conversation]);
}
