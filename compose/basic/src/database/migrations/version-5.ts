/** Version 5: `restore_items` finds messages by an index each way, where one condition for both ways read the whole table. */
export const version5 = /* sql */ `
create or replace function restore_items(p_items json) returns json language plpgsql as $$
declare
  v_items inbound_item[];
begin
  select array_agg(i) into v_items from (
    select distinct on (channel_id, coalesce(source_message_id, id::text)) * from json_populate_recordset(null::inbound_item, p_items)
    where kind in ('message', 'echo') order by channel_id, coalesce(source_message_id, id::text), delivery_id
  ) i;
  delete from message m using unnest(v_items) i
  where m.channel_id = i.channel_id and m.source_message_id = i.source_message_id and m.conversation_id <> i.conversation_id
    and m.queued_at is null and m.attempted_at is null and (m.delivery_id is null or m.delivery_id = i.delivery_id);
  update message m set content = i.content::json, sent_at = i.sent_at, from_contact = i.from_contact, sender_id = i.sender_id,
    delivery_id = i.delivery_id
  from unnest(v_items) i
  where m.channel_id = i.channel_id and m.source_message_id = i.source_message_id
    and m.queued_at is null and m.attempted_at is null and (m.delivery_id is null or m.delivery_id = i.delivery_id)
    and (m.content::text <> i.content or m.sent_at <> i.sent_at or m.delivery_id is null);
  update message m set content = i.content::json, sent_at = i.sent_at, from_contact = i.from_contact, sender_id = i.sender_id,
    delivery_id = i.delivery_id
  from unnest(v_items) i
  where m.id = i.id and i.source_message_id is null
    and m.queued_at is null and m.attempted_at is null and (m.delivery_id is null or m.delivery_id = i.delivery_id)
    and (m.content::text <> i.content or m.sent_at <> i.sent_at or m.delivery_id is null);
  return store_items(null, p_items);
end $$;
`;
