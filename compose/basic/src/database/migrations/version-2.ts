/** Version 2: what Airy's API keeps of a conversation, contacts, tags, templates, and a reader that takes changes in any order. */
export const version2 = /* sql */ `
-- name_lower is written by the service, because lower() knows only ASCII in a database with the C locale.
alter table conversation
  add column source text,
  add column display_name text,
  add column name_lower text,
  add column renamed boolean not null default false,
  add column avatar_url text,
  add column fetch_state text,
  add column state text,
  add column tag_ids uuid[] not null default '{}',
  add column user_data jsonb not null default '{}',
  add column contact_id uuid;
update conversation c set source = ch.source,
  display_name = initcap(ch.source) || ' ' || substr(c.id::text, 32), name_lower = ch.source || ' ' || substr(c.id::text, 32)
from channel ch where ch.id = c.channel_id;
alter table conversation alter column source set not null, alter column display_name set not null, alter column name_lower set not null;
create index conversation_unread on conversation (last_message_at desc, id) where unread_count > 0;
create index conversation_state on conversation (state, last_message_at desc, id) where state is not null;
create index conversation_tags on conversation using gin (tag_ids);
create index conversation_channel on conversation (channel_id, last_message_at desc, id);
create index conversation_contact on conversation (contact_id);

-- Searching in names uses trigrams where the server has them; it is correct without.
do $$ begin
  create extension if not exists pg_trgm;
  create index conversation_name on conversation using gin (name_lower gin_trgm_ops);
exception when others then raise notice 'no trigram index: %', sqlerrm;
end $$;

create table contact (
  id uuid primary key,
  fields jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index contact_recent on contact (created_at desc, id);
create table tag (id uuid primary key, name text not null, color text not null, created_at timestamptz not null default now());
create table template (
  id uuid primary key, name text not null, source text not null, content json not null, created_at timestamptz not null default now()
);

-- delivery_id: what the message was made of. queued_at: since when it is to be sent. claim: the attempt that took it.
alter table message add column delivery_id bigint, add column queued_at timestamptz, add column claim uuid;

-- reader: the version of the reader that made messages of it; kinds that have no message are named in the note.
alter table delivery add column reader int not null default 0;
create index delivery_noted on delivery (id) where note is not null;
alter table waiting_delivery add column source text, add column source_channel_id text, add column reason text not null default 'not connected';
alter table waiting_delivery drop constraint waiting_delivery_delivery_id_fkey,
  add constraint waiting_delivery_delivery_id_fkey foreign key (delivery_id) references delivery on delete cascade;

-- broken: why the source refuses the channel's token.
alter table channel add column broken text;

-- The newest reaction, edit or deletion of a message by its source id, whether the message is there yet or not.
create table message_change (
  channel_id uuid not null,
  source_message_id text not null,
  kind text not null check (kind in ('reaction', 'edit', 'deletion')),
  sent_at timestamptz not null,
  number int not null default 0,
  body text,
  stored_at timestamptz not null default now(),
  primary key (channel_id, source_message_id, kind)
);
insert into message_change (channel_id, source_message_id, kind, sent_at, body)
select channel_id, source_message_id, 'reaction', to_timestamp((metadata -> 'reaction' ->> 'sent_at')::bigint / 1000.0), metadata -> 'reaction' ->> 'emoji'
from message where metadata ? 'reaction' and source_message_id is not null;

-- A message for a conversation that is not known yet; it becomes one of it when the customer writes.
create table early_message (
  id uuid primary key,
  conversation_id uuid not null,
  content json not null,
  sent_at timestamptz not null,
  failed boolean not null default false
);
create index early_message_conversation on early_message (conversation_id);

drop function store_delivery(bytea, bytea, text, text, json);
drop function store_items(bigint, json);
drop type inbound_item;
create type inbound_item as (
  kind text,
  delivery_id bigint,
  channel_id uuid,
  source text,
  source_channel_id text,
  conversation_id uuid,
  contact_id uuid,
  id uuid,
  source_message_id text,
  source_conversation_id text,
  display_name text,
  sent_at timestamptz,
  from_contact boolean,
  sender_id text,
  content text,
  number int,
  body text
);

-- Brings messages to what their newest changes say; returns those that became different.
create function apply_changes(p_channels uuid[], p_mids text[]) returns uuid[] language plpgsql as $$
declare
  v_changed uuid[];
begin
  with target as (
    select m.id, m.metadata, r.kind is not null as has_reaction, r.body as emoji, r.sent_at as reacted_at,
      e.body as edited, e.sent_at as edited_at, x.body as deletion
    from (select distinct channel_id, mid from unnest(p_channels, p_mids) as k(channel_id, mid)) k
    join message m on m.channel_id = k.channel_id and m.source_message_id = k.mid
    left join message_change r on r.channel_id = k.channel_id and r.source_message_id = k.mid and r.kind = 'reaction'
    left join message_change e on e.channel_id = k.channel_id and e.source_message_id = k.mid and e.kind = 'edit'
    left join message_change x on x.channel_id = k.channel_id and x.source_message_id = k.mid and x.kind = 'deletion'
    where r.kind is not null or e.kind is not null or x.kind is not null
  ), wanted as (
    select id, deletion,
      case when has_reaction then metadata - 'reaction' else metadata end - 'edited'
      || case when emoji is null then '{}'::jsonb else jsonb_build_object('reaction', jsonb_build_object(
           'emoji', emoji, 'sent_at', floor(extract(epoch from reacted_at) * 1000)::bigint)) end
      || case when edited is null or deletion is not null then '{}'::jsonb else jsonb_build_object('edited', jsonb_build_object(
           'text', edited, 'sent_at', floor(extract(epoch from edited_at) * 1000)::bigint)) end as metadata
    from target
  ), changed as (
    update message m set metadata = w.metadata, content = coalesce(w.deletion::json, m.content)
    from wanted w
    where m.id = w.id and (m.metadata <> w.metadata or m.content::text <> coalesce(w.deletion, m.content::text))
    returning m.id
  ) select array_agg(id) into v_changed from changed;
  return v_changed;
end $$;

-- Turns events into messages. Repeating it changes nothing. Rows are taken in the order of their ids, so that two calls with the same
-- events in different order cannot wait for each other.
create function store_items(p_delivery bigint, p_items json) returns json language plpgsql as $$
declare
  v_all inbound_item[];
  v_live inbound_item[];
  v_created json;
  v_conversations json;
  v_changed uuid[];
  v_early json := '[]';
begin
  select array_agg(i) into v_all from json_populate_recordset(null::inbound_item, p_items) i;
  if v_all is null then
    return json_build_object('created', '[]'::json, 'conversations', '[]'::json, 'changed', '[]'::json, 'early', '[]'::json);
  end if;

  -- Connecting a channel holds this lock alone: an event sees the channel connected, or the connect sees the event waiting.
  perform pg_advisory_xact_lock_shared(hashtextextended(k, 0)) from (select distinct channel_id::text as k from unnest(v_all) order by 1) keys;

  insert into waiting_delivery (channel_id, delivery_id, source, source_channel_id)
  select distinct i.channel_id, coalesce(i.delivery_id, p_delivery), i.source, i.source_channel_id from unnest(v_all) i
  where coalesce(i.delivery_id, p_delivery) is not null and not exists (select from channel c where c.id = i.channel_id and c.connected)
  on conflict do nothing;

  select array_agg(i) into v_live from unnest(v_all) i
  where exists (select from channel c where c.id = i.channel_id and c.connected);

  -- An echo may be of a message of ours whose id is not known yet. The lock waits for an outcome that is being written.
  if exists (select from unnest(v_live) where kind = 'echo') then
    perform from message m where m.delivery_state = 'pending' and m.attempted_at is not null
      and m.conversation_id in (select conversation_id from unnest(v_live) where kind = 'echo') order by m.id for share;
    with unsettled as (
      select distinct m.conversation_id from message m where m.delivery_state = 'pending' and m.attempted_at is not null
        and m.conversation_id in (select conversation_id from unnest(v_live) where kind = 'echo')
    ), waits as (
      insert into waiting_delivery (channel_id, delivery_id, source, source_channel_id, reason)
      select distinct i.channel_id, coalesce(i.delivery_id, p_delivery), i.source, i.source_channel_id, 'echo'
      from unnest(v_live) i where i.kind = 'echo' and i.conversation_id in (select conversation_id from unsettled)
        and coalesce(i.delivery_id, p_delivery) is not null
      on conflict do nothing
    )
    select array_agg(i) into v_live from unnest(v_live) i
    where i.kind <> 'echo' or i.conversation_id not in (select conversation_id from unsettled);
  end if;
  if v_live is null then
    return json_build_object('created', '[]'::json, 'conversations', '[]'::json, 'changed', '[]'::json, 'early', '[]'::json);
  end if;

  with fresh as (
    insert into message (id, conversation_id, channel_id, source_message_id, sent_at, from_contact, sender_id, delivery_state, content, delivery_id)
    select i.id, i.conversation_id, i.channel_id, i.source_message_id, i.sent_at, i.from_contact, i.sender_id, 'delivered', i.content::json,
      coalesce(i.delivery_id, p_delivery)
    from unnest(v_live) i where i.kind in ('message', 'echo', 'deletion') order by i.id
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

  insert into message_change as c (channel_id, source_message_id, kind, sent_at, number, body)
  select distinct on (channel_id, source_message_id, kind) channel_id, source_message_id, kind, sent_at, coalesce(number, 0),
    case kind when 'deletion' then content else body end
  from unnest(v_live) where kind in ('reaction', 'edit', 'deletion') and source_message_id is not null
  order by channel_id, source_message_id, kind, sent_at desc, number desc nulls last, (body is null) desc
  on conflict (channel_id, source_message_id, kind) do update set
    sent_at = excluded.sent_at, number = excluded.number, body = excluded.body, stored_at = now()
  where c.kind <> 'deletion' and (excluded.sent_at, excluded.number, excluded.body is null) >= (c.sent_at, c.number, c.body is null);

  if exists (select from message_change c join unnest(v_live) i on i.channel_id = c.channel_id and i.source_message_id = c.source_message_id) then
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

-- One webhook in one round trip and one commit: the delivery as it came and the messages in it.
create function store_delivery(p_sha256 bytea, p_body bytea, p_airy_delivery text, p_note text, p_reader int, p_items json)
returns json language plpgsql as $$
declare
  v_id bigint;
begin
  insert into delivery as d (sha256, body, airy_delivery, note, reader) values (p_sha256, p_body, p_airy_delivery, p_note, p_reader)
  on conflict (sha256) do update set repeats = d.repeats + 1
  returning id into v_id;
  return store_items(v_id, p_items);
end $$;

-- Messages made by an earlier reader become what this one makes of the same deliveries; then what was missing is added.
create function restore_items(p_items json) returns json language plpgsql as $$
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
  where m.channel_id = i.channel_id and m.queued_at is null and m.attempted_at is null
    and (m.source_message_id = i.source_message_id or (i.source_message_id is null and m.id = i.id))
    and (m.delivery_id is null or m.delivery_id = i.delivery_id)
    and (m.content::text <> i.content or m.sent_at <> i.sent_at or m.delivery_id is null);
  return store_items(null, p_items);
end $$;
`;
