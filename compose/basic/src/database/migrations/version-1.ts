/** Version 1: channels, deliveries, conversations and messages. */
export const version1 = /* sql */ `
create table channel (
  id uuid primary key,
  source text not null,
  source_channel_id text not null,
  connected boolean not null,
  metadata jsonb not null,
  token text
);

-- Every signed delivery as it came, whatever became of it. The same bytes again only count up.
create table delivery (
  id bigint generated always as identity primary key,
  received_at timestamptz not null default now(),
  sha256 bytea not null unique,
  body bytea not null,
  airy_delivery text,
  note text,
  repeats int not null default 0
);

-- Deliveries with messages for a channel that is not connected yet.
create table waiting_delivery (
  channel_id uuid not null,
  delivery_id bigint not null references delivery,
  primary key (channel_id, delivery_id)
);

-- version counts changes, so that a reader can tell an older state from a newer one.
create table conversation (
  id uuid primary key,
  channel_id uuid not null references channel,
  source_conversation_id text not null,
  created_at timestamptz not null,
  last_message_at timestamptz not null,
  unread_count int not null,
  version bigint not null default 1
);
create index conversation_recent on conversation (last_message_at desc, id);

create table message (
  id uuid primary key,
  seq bigint generated always as identity,
  conversation_id uuid not null references conversation,
  channel_id uuid not null,
  source_message_id text,
  sent_at timestamptz not null,
  from_contact boolean not null,
  sender_id text not null,
  delivery_state text not null check (delivery_state in ('pending', 'delivered', 'failed')),
  attempted_at timestamptz,
  content json not null,
  metadata jsonb not null default '{}'
);
create unique index message_source_id on message (channel_id, source_message_id) where source_message_id is not null;
create index message_recent on message (conversation_id, sent_at desc, seq desc);
create index message_pending on message (seq) where delivery_state = 'pending';

-- One event of a delivery, as the service derived it.
create type inbound_item as (
  kind text,
  channel_id uuid,
  conversation_id uuid,
  id uuid,
  source_message_id text,
  source_conversation_id text,
  sent_at timestamptz,
  from_contact boolean,
  sender_id text,
  content text,
  deleted boolean,
  emoji text
);

-- Turns events into messages. Repeating it changes nothing. Rows are taken in the order of their ids, so that two calls with the same
-- events in different order cannot wait for each other.
create function store_items(p_delivery bigint, p_items json) returns json language plpgsql as $$
declare
  v_live inbound_item[];
  v_created json;
  v_conversations json;
  v_deleted uuid[];
  v_reacted uuid[];
begin
  -- Connecting a channel holds this lock alone: an event sees the channel connected, or the connect sees the event waiting.
  perform pg_advisory_xact_lock_shared(hashtextextended(k, 0))
  from (select distinct i ->> 'channel_id' as k from json_array_elements(p_items) i order by 1) keys;

  insert into waiting_delivery (channel_id, delivery_id)
  select distinct i.channel_id, p_delivery from json_populate_recordset(null::inbound_item, p_items) i
  where not exists (select from channel c where c.id = i.channel_id and c.connected)
  on conflict do nothing;

  select array_agg(i) into v_live from json_populate_recordset(null::inbound_item, p_items) i
  where exists (select from channel c where c.id = i.channel_id and c.connected);
  if v_live is null then
    return json_build_object('created', '[]'::json, 'conversations', '[]'::json, 'changed', '[]'::json);
  end if;

  with fresh as (
    insert into message (id, conversation_id, channel_id, source_message_id, sent_at, from_contact, sender_id, delivery_state, content)
    select i.id, i.conversation_id, i.channel_id, i.source_message_id, i.sent_at, i.from_contact, i.sender_id, 'delivered', i.content::json
    from unnest(v_live) i where i.kind = 'message' order by i.id
    on conflict do nothing
    returning id, conversation_id, channel_id, sent_at, from_contact
  ), touched as (
    insert into conversation as c (id, channel_id, source_conversation_id, created_at, last_message_at, unread_count)
    select f.conversation_id, f.channel_id, min(i.source_conversation_id), min(f.sent_at), max(f.sent_at),
      count(distinct f.id) filter (where f.from_contact)
    from fresh f join unnest(v_live) i on i.id = f.id
    group by 1, 2 order by 1
    on conflict (id) do update set
      created_at = least(c.created_at, excluded.created_at),
      last_message_at = greatest(c.last_message_at, excluded.last_message_at),
      unread_count = c.unread_count + excluded.unread_count,
      version = c.version + 1
    returning id, channel_id, unread_count, version
  )
  select coalesce((select json_agg(id) from fresh), '[]'), coalesce((select json_agg(touched) from touched), '[]')
  into v_created, v_conversations;

  if not exists (select from unnest(v_live) where deleted or kind = 'reaction') then
    return json_build_object('created', v_created, 'conversations', v_conversations, 'changed', '[]'::json);
  end if;

  with changed as (
    update message m set content = i.content::json
    from (select distinct on (channel_id, source_message_id) * from unnest(v_live) where deleted) i
    where m.channel_id = i.channel_id and m.source_message_id = i.source_message_id and m.content::text <> i.content
    returning m.id
  ) select array_agg(id) into v_deleted from changed;

  with changed as (
    update message m set metadata = case
      when i.emoji is null then m.metadata - 'reaction'
      else m.metadata || jsonb_build_object('reaction', jsonb_build_object('emoji', i.emoji, 'sent_at', i.at))
    end
    from (
      select distinct on (channel_id, source_message_id) *, floor(extract(epoch from sent_at) * 1000)::bigint as at
      from unnest(v_live) where kind = 'reaction' order by channel_id, source_message_id, sent_at desc
    ) i
    where m.channel_id = i.channel_id and m.source_message_id = i.source_message_id
      and coalesce((m.metadata -> 'reaction' ->> 'sent_at')::bigint, 0) <= i.at
    returning m.id
  ) select array_agg(id) into v_reacted from changed;

  return json_build_object('created', v_created, 'conversations', v_conversations,
    'changed', array_to_json(array(select distinct unnest(v_deleted || v_reacted))));
end $$;

-- One webhook in one round trip and one commit: the delivery as it came and the messages in it.
create function store_delivery(p_sha256 bytea, p_body bytea, p_airy_delivery text, p_note text, p_items json)
returns json language plpgsql as $$
declare
  v_id bigint;
begin
  insert into delivery as d (sha256, body, airy_delivery, note) values (p_sha256, p_body, p_airy_delivery, p_note)
  on conflict (sha256) do update set repeats = d.repeats + 1
  returning id into v_id;
  return store_items(v_id, p_items);
end $$;
`;
