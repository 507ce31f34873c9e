-- What the review workflows say about themselves, for lists. The workflow is the authority; `step` is the number of its
-- transition, and a row never goes back to a lower one.
create table reviews (
  id text primary key,
  ordinal bigint generated always as identity unique,
  event_key text not null unique,
  event_id text not null,
  pipeline text not null,
  title text not null,
  outcome text not null,
  why text not null,
  entities jsonb not null,
  verdicts text[] not null,
  event_time timestamptz not null,
  step integer not null,
  status text not null check (status in ('open', 'escalated', 'decided')),
  opened_at timestamptz not null,
  due_at timestamptz not null,
  escalated_at timestamptz,
  decided_at timestamptz,
  verdict_id text,
  verdict text,
  reviewer text,
  comment text,
  check ((status = 'decided') = (verdict is not null and reviewer is not null and decided_at is not null))
);

create index reviews_by_pipeline on reviews (pipeline, status, ordinal);
create index reviews_by_status on reviews (status, ordinal);

-- Every transition of every review, in one hash chain per pipeline. Rows are only ever appended: `hash` covers the row
-- and the hash before it, so that a changed, removed or inserted row breaks the chain from there on.
create table review_audit (
  pipeline text not null,
  sequence bigint not null,
  review_id text not null,
  step integer not null,
  action text not null,
  actor text not null,
  at timestamptz not null,
  detail jsonb not null,
  previous_hash bytea not null,
  hash bytea not null,
  primary key (pipeline, sequence),
  unique (review_id, step)
);

create function review_audit_hash(entry review_audit) returns bytea language sql immutable as $$
  select sha256(entry.previous_hash || convert_to(jsonb_build_array(
    entry.pipeline, entry.sequence, entry.review_id, entry.step, entry.action, entry.actor,
    (extract(epoch from entry.at) * 1000000)::bigint, entry.detail)::text, 'UTF8'));
$$;

-- Numbers and chains each row, one writer per pipeline at a time; the lock is held until its transaction ends.
create function review_audit_append() returns trigger language plpgsql as $$
declare
  tip review_audit;
begin
  perform pg_advisory_xact_lock(hashtext('headrace review audit'), hashtext(new.pipeline));
  select * into tip from review_audit where pipeline = new.pipeline order by sequence desc limit 1;
  new.sequence := coalesce(tip.sequence, 0) + 1;
  new.previous_hash := coalesce(tip.hash, ''::bytea);
  new.hash := review_audit_hash(new);
  return new;
end;
$$;

create function review_audit_refuse() returns trigger language plpgsql as $$
begin
  raise exception 'review_audit is append-only';
end;
$$;

create trigger review_audit_append before insert on review_audit for each row execute function review_audit_append();
create trigger review_audit_no_change before update or delete on review_audit for each row execute function review_audit_refuse();
create trigger review_audit_no_truncate before truncate on review_audit for each statement execute function review_audit_refuse();
