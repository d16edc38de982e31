/** One attempt after the other at sending a message, until Facebook has decided. */
import type { Database } from "../database/connect.ts";
import { describeError } from "../database/errors.ts";
import type { ChannelRow, MessageRow } from "../database/rows.ts";
import { channelColumns } from "../database/rows.ts";
import type { Vault } from "../database/vault.ts";
import type { Events } from "../live/events.ts";
import { uploadAt } from "../media/uploads.ts";
import { storable } from "../text.ts";
import type { GraphClient, Outgoing } from "./graph.ts";
import { GraphFailure } from "./graph.ts";
import { sleep } from "./pause.ts";
import { explain } from "./send-errors.ts";

export type Claimed = MessageRow & { queued_at: Date; connected: boolean; token: string | null; recipient: string; tag: string | null };
export type Outcome = { mid: string } | { error: string; raw: string | null };

interface Dependencies {
  database: Database;
  events: Events;
  vault: Vault;
  /** null: no app is configured, so nothing can be sent. */
  graph: GraphClient | null;
  /** Nothing is tried again after this. */
  stop: AbortSignal;
  /** Calls in flight are given up. */
  abandon: AbortSignal;
  log: (line: string) => void;
}

/** As in Airy Core: a message that waited this long is not sent any more. */
const TOO_OLD_MS = 5 * 60_000;
/** What may succeed later is repeated after these pauses; a page's limits are counted by the minute. */
const SEND_RETRY_MS = [500, 2_000, 8_000, 30_000];

const setBroken = {
  name: "set_broken",
  text: `update channel set broken = $2 where id = $1 and connected and broken is distinct from $2 returning ${channelColumns}`,
};

/** Never throws: what goes wrong is the outcome. */
export function createSender({ database, events, vault, graph, stop, abandon, log }: Dependencies): (message: Claimed) => Promise<Outcome> {
  async function send(message: Claimed): Promise<Outcome> {
    if (graph === null) return { error: "No Facebook app is configured", raw: null };
    if (!message.connected || message.token === null) return { error: "The channel is not connected", raw: null };
    const token = vault.open(message.token);
    if (token === null) {
      await markBroken(message.channel_id, "The stored token cannot be read with this workspace's key: connect the channel again");
      return { error: "The channel's token cannot be read: connect the channel again", raw: null };
    }
    for (let again = 0; ; again += 1) {
      if (Date.now() - message.queued_at.getTime() > TOO_OLD_MS)
        return { error: "The message waited too long and was not sent", raw: null };
      try {
        const mid = await graph.send(token, message.recipient, await outgoing(message), abandon);
        await markBroken(message.channel_id, null);
        return { mid };
      } catch (error) {
        const pause = SEND_RETRY_MS[again];
        const repeat = error instanceof GraphFailure && error.transient && pause !== undefined && !stop.aborted;
        if (!repeat) return failure(message, error);
        log(`message ${message.id} is sent again in ${pause / 1000} s: ${error.message}`);
        await sleep(pause, stop);
      }
    }
  }

  /** A file that was uploaded here goes along: Facebook cannot fetch it. */
  async function outgoing({ content, tag }: Claimed): Promise<Outgoing> {
    const { attachment } = (content ?? {}) as { attachment?: { payload?: { url?: unknown } } };
    return { message: content, tag, file: await uploadAt(database, attachment?.payload?.url) };
  }

  async function failure(message: Claimed, error: unknown): Promise<Outcome> {
    if (!(error instanceof GraphFailure)) {
      log(`message ${message.id} could not be sent: ${describeError(error)}`);
      return { error: "The message could not be sent: an error inside the platform, see its log", raw: null };
    }
    if (error.deadToken)
      await markBroken(message.channel_id, `Facebook does not accept the token any more (${error.message}): connect again`);
    return { error: explain(error), raw: error.raw };
  }

  /** Told once; its failure is no reason to lose an outcome. */
  async function markBroken(channelId: string, reason: string | null): Promise<void> {
    try {
      const [row] = await database.query<ChannelRow>(setBroken, [channelId, reason === null ? null : storable(reason)]);
      if (!row) return;
      log(reason === null ? `channel ${channelId} works again` : `channel ${channelId} is broken: ${reason}`);
      events.channelUpdated(row);
      events.channelMetadata(row);
    } catch (error) {
      log(`state of channel ${channelId} not recorded: ${describeError(error)}`);
    }
  }

  return send;
}
