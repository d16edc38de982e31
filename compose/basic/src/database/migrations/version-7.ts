/** Version 7: files that were uploaded to be sent, and replies after the 24 hours, which carry a tag. */
export const version7 = /* sql */ `
alter table message add column tag text;
create table upload (
  id uuid primary key,
  name text not null,
  type text not null,
  body bytea not null,
  created_at timestamptz not null default now()
);
alter table upload alter column body set storage external;
`;
