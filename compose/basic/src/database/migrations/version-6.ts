/**
 * Version 6: deliveries that are committed together are one call, with one statement for the rows of all of them; jobs are queued by one
 * call, too.
 */
export const version6 = /* sql */ `
drop function store_delivery(bytea, bytea, text, text, int, json);
drop function restore_items(json);
drop function store_items(bigint, json);

-- Turns events into messages. Repeating it changes nothing. Rows are taken in the order of their ids, so that two calls with the same
-- events in different order cannot wait for each other.
create function store_items(p_items inbound_item[]) returns json language plpgsql as $$
declare
  v_live inbound_item[];
  v_known int;
  v_created json := '[]';
  v_conversations json := '[]';
  v_changed uuid[];
  v_early json := '[]';
begin
  -- Connecting a channel holds this lock alone: an event sees the channel connected, or the connect sees the event waiting.
  perform pg_advisory_xact_lock_shared(hashtextextended(k, 0)) from (select distinct channel_id::text as k from unnest(p_items) order by 1) keys;

  select array_agg(i) into v_live from unnest(p_items) i
  where i.channel_id in (select c.id from channel c where c.connected and c.id in (select channel_id from unnest(p_items)));
  if coalesce(cardinality(v_live), 0) < cardinality(p_items) then
    insert into waiting_delivery (channel_id, delivery_id, source, source_channel_id)
    select distinct i.channel_id, i.delivery_id, i.source, i.source_channel_id from unnest(p_items) i
    where i.delivery_id is not null and not exists (select from channel c where c.id = i.channel_id and c.connected)
    order by 1, 2 on conflict do nothing;
  end if;

  -- An echo may be of a message of ours whose id is not known yet. The lock waits for an outcome that is being written.
  if exists (select from unnest(v_live) where kind = 'echo') then
    perform from message m where m.delivery_state = 'pending' and m.attempted_at is not null
      and m.conversation_id in (select conversation_id from unnest(v_live) where kind = 'echo') order by m.id for share;
    with unsettled as (
      select distinct m.conversation_id from message m where m.delivery_state = 'pending' and m.attempted_at is not null
        and m.conversation_id in (select conversation_id from unnest(v_live) where kind = 'echo')
    ), waits as (
      insert into waiting_delivery (channel_id, delivery_id, source, source_channel_id, reason)
      select distinct i.channel_id, i.delivery_id, i.source, i.source_channel_id, 'echo'
      from unnest(v_live) i where i.kind = 'echo' and i.conversation_id in (select conversation_id from unsettled)
        and i.delivery_id is not null
      order by 1, 2 on conflict do nothing
    )
    select array_agg(i) into v_live from unnest(v_live) i
    where i.kind <> 'echo' or i.conversation_id not in (select conversation_id from unsettled);
  end if;
  if v_live is null then
    return json_build_object('created', v_created, 'conversations', v_conversations, 'changed', v_created, 'early', v_early);
  end if;

  with fresh as (
    insert into message (id, conversation_id, channel_id, source_message_id, sent_at, from_contact, sender_id, delivery_state, content, delivery_id)
    select i.id, i.conversation_id, i.channel_id, i.source_message_id, i.sent_at, i.from_contact, i.sender_id, 'delivered', i.content::json,
      i.delivery_id
    from (
      select distinct on (channel_id, coalesce(source_message_id, id::text)) * from unnest(v_live) with ordinality
      where kind in ('message', 'echo', 'deletion') order by channel_id, coalesce(source_message_id, id::text), ordinality
    ) i order by i.id
    on conflict do nothing
    returning id, conversation_id, channel_id, sent_at, from_contact
  ), touched as (
    insert into conversation as c (id, channel_id, source_conversation_id, created_at, last_message_at, unread_count, source, display_name,
      name_lower, contact_id)
    select f.conversation_id, f.channel_id, min(i.source_conversation_id), min(f.sent_at), max(f.sent_at),
      count(distinct f.id) filter (where f.from_contact), min(i.source), min(i.display_name), min(lower(i.display_name)),
      min(i.contact_id::text)::uuid
    from fresh f join unnest(v_live) i on i.id = f.id
    group by 1, 2 order by 1
    on conflict (id) do update set
      created_at = least(c.created_at, excluded.created_at),
      last_message_at = greatest(c.last_message_at, excluded.last_message_at),
      unread_count = c.unread_count + excluded.unread_count,
      version = c.version + 1
    returning id, channel_id, source, unread_count, version, display_name, avatar_url, fetch_state, state, tag_ids, user_data, contact_id
  ), contacts as (
    insert into contact (id) select contact_id from touched where version = 1 and contact_id is not null order by 1 on conflict do nothing
  )
  select coalesce((select json_agg(id) from fresh), '[]'), coalesce((select json_agg(touched) from touched), '[]')
  into v_created, v_conversations;

  if exists (select from unnest(v_live) where kind in ('reaction', 'edit', 'deletion')) then
    insert into message_change as c (channel_id, source_message_id, kind, sent_at, number, body)
    select distinct on (channel_id, source_message_id, kind) channel_id, source_message_id, kind, sent_at, coalesce(number, 0),
      case kind when 'deletion' then content else body end
    from unnest(v_live) where kind in ('reaction', 'edit', 'deletion') and source_message_id is not null
    order by channel_id, source_message_id, kind, sent_at desc, number desc nulls last, (body is null) desc
    on conflict (channel_id, source_message_id, kind) do update set
      sent_at = excluded.sent_at, number = excluded.number, body = excluded.body, stored_at = now()
    where c.kind <> 'deletion' and (excluded.sent_at, excluded.number, excluded.body is null) >= (c.sent_at, c.number, c.body is null);
  end if;

  -- Looked for by whom they belong to, not the other way around: there may be many changes and early messages.
  select array_agg(i.channel_id) into v_changed from unnest(v_live) i
  join message_change c on c.channel_id = i.channel_id and c.source_message_id = i.source_message_id;
  if v_changed is not null then
    select apply_changes(array_agg(channel_id), array_agg(source_message_id)) into v_changed
    from unnest(v_live) where source_message_id is not null;
  end if;

  -- Replies that were sent before the conversation was known.
  if exists (select from early_message e join unnest(v_live) i on i.conversation_id = e.conversation_id) then
    with taken as (
      delete from early_message e using conversation c
      where c.id = e.conversation_id and e.conversation_id in (select conversation_id from unnest(v_live))
      returning e.*, c.channel_id
    ), moved as (
      insert into message (id, conversation_id, channel_id, sent_at, queued_at, from_contact, sender_id, delivery_state, content, metadata)
      select id, conversation_id, channel_id, sent_at, sent_at, false, 'airy-core-anonymous', case when failed then 'failed' else 'pending' end,
        content, case when failed then '{"error": "The customer had not written yet"}'::jsonb else '{}' end
      from taken order by sent_at returning id, conversation_id, sent_at
    ), lifted as (
      update conversation c set last_message_at = greatest(c.last_message_at, m.sent_at)
      from (select conversation_id, max(sent_at) as sent_at from moved group by 1) m where c.id = m.conversation_id
    )
    select coalesce(json_agg(moved), '[]') into v_early from moved;
  end if;

  return json_build_object('created', v_created, 'conversations', v_conversations,
    'changed', array_to_json(coalesce(v_changed, '{}')), 'early', v_early);
end $$;

-- Deliveries as they came, all different, and the messages in them, in one commit. The delivery_id of an item is the place of its delivery.
create function store_deliveries(p_sha256 bytea[], p_bodies bytea[], p_headers text[], p_notes text[], p_reader int, p_items json)
returns json language plpgsql as $$
declare
  v_ids bigint[];
begin
  with given as (
    select * from unnest(p_sha256, p_bodies, p_headers, p_notes) with ordinality as g(sha256, body, header, note, at)
  ), kept as (
    insert into delivery as d (sha256, body, airy_delivery, note, reader)
    select sha256, body, header, note, p_reader from given order by at
    on conflict (sha256) do update set repeats = d.repeats + 1
    returning id, sha256
  )
  select array_agg(k.id order by g.at) into v_ids from given g join kept k on k.sha256 = g.sha256;
  return store_items((
    select array_agg((kind, v_ids[delivery_id], channel_id, source, source_channel_id, conversation_id, contact_id, id, source_message_id,
      source_conversation_id, display_name, sent_at, from_contact, sender_id, content, number, body)::inbound_item)
    from json_populate_recordset(null::inbound_item, p_items)));
end $$;

-- Messages made by an earlier reader become what this one makes of the same deliveries; then what was missing is added.
create function restore_items(p_items json) returns json language plpgsql as $$
declare
  v_all inbound_item[];
  v_items inbound_item[];
begin
  select array_agg(i) into v_all from json_populate_recordset(null::inbound_item, p_items) i;
  select array_agg(i) into v_items from (
    select distinct on (channel_id, coalesce(source_message_id, id::text)) * from unnest(v_all)
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
  return store_items(v_all);
end $$;

-- A job for each row and each webhook that wants the event. The queue takes a hundred jobs in the time of two calls.
drop function queue_webhooks(text, json);
create function queue_webhooks(p_type text, p_rows json[]) returns void language plpgsql as $$
begin
  perform airy_jobs.add_jobs(array_agg((
    'webhook', json_build_object('webhook', w.id, 'type', p_type, 'at', now(), 'row', r), null, null, 15, null, null, null
  )::airy_jobs.job_spec order by at))
  from webhook w, unnest(p_rows) with ordinality as rows(r, at) where w.status = 'Subscribed' and (w.events = '{}' or p_type = any(w.events))
  having count(*) > 0;
end $$;

create or replace function message_written() returns trigger language plpgsql as $$
begin
  if not exists (select from webhook where status = 'Subscribed') then return null; end if;
  if tg_op = 'INSERT' then perform queue_webhooks('message.created', array(select row_to_json(r) from written r)); end if;
  perform queue_webhooks('message.updated', array(select row_to_json(r) from written r));
  return null;
end $$;

create or replace function conversation_written() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    perform airy_jobs.add_jobs(array_agg((
      'profile', json_build_object('conversation', r.id), null, null, 8, 'profile:' || r.id, null, null
    )::airy_jobs.job_spec))
    from written r having count(*) > 0;
  end if;
  if exists (select from webhook where status = 'Subscribed') then
    perform queue_webhooks('conversation.updated', array(select json_build_object('id', r.id) from written r));
  end if;
  return null;
end $$;

create or replace function channel_written() returns trigger language plpgsql as $$
begin
  perform queue_webhooks('channel.updated', array(
    select to_json(r) from (select id, source, source_channel_id, connected, metadata, broken from written) r));
  return null;
end $$;
`;
