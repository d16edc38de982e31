/** Version 4: outbound webhooks, and what is queued with a commit. The queue's own tables are in the schema `airy_jobs`. */
export const version4 = /* sql */ `
create table webhook (
  id uuid primary key,
  name text,
  url text not null,
  headers jsonb not null default '{}',
  events text[] not null default '{}',
  signature_key text,
  status text not null default 'Subscribed' check (status in ('Subscribed', 'Unsubscribed')),
  problem text,
  created_at timestamptz not null default now()
);

-- One job for each webhook that wants the event; the row goes with it, so that an event says what was true when it happened.
create function queue_webhooks(p_type text, p_row json) returns void language plpgsql as $$
begin
  perform airy_jobs.add_job('webhook', json_build_object('webhook', w.id, 'type', p_type, 'at', now(), 'row', p_row), max_attempts => 15)
  from webhook w where w.status = 'Subscribed' and (w.events = '{}' or p_type = any(w.events));
end $$;

create function message_written() returns trigger language plpgsql as $$
begin
  if not exists (select from webhook where status = 'Subscribed') then return null; end if;
  if tg_op = 'INSERT' then perform queue_webhooks('message.created', row_to_json(r)) from written r; end if;
  perform queue_webhooks('message.updated', row_to_json(r)) from written r;
  return null;
end $$;
create trigger message_inserted after insert on message referencing new table as written for each statement execute function message_written();
create trigger message_updated after update on message referencing new table as written for each statement execute function message_written();

create function conversation_written() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    perform airy_jobs.add_job('profile', json_build_object('conversation', r.id), job_key => 'profile:' || r.id, max_attempts => 8)
    from written r;
  end if;
  if exists (select from webhook where status = 'Subscribed') then
    perform queue_webhooks('conversation.updated', json_build_object('id', r.id)) from written r;
  end if;
  return null;
end $$;
create trigger conversation_inserted after insert on conversation
  referencing new table as written for each statement execute function conversation_written();
create trigger conversation_updated after update on conversation
  referencing new table as written for each statement execute function conversation_written();

create function channel_written() returns trigger language plpgsql as $$
begin
  perform queue_webhooks('channel.updated', to_json(r)) from (
    select id, source, source_channel_id, connected, metadata, broken from written) r;
  return null;
end $$;
create trigger channel_inserted after insert on channel referencing new table as written for each statement execute function channel_written();
create trigger channel_updated after update on channel referencing new table as written for each statement execute function channel_written();
`;
