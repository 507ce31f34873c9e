-- A review waits here until it is opened: the row is the review sink's effect, and the review's workflow starts from it when the
-- reviewers have room.
alter table reviews
  alter column opened_at drop not null,
  alter column due_at drop not null,
  add column value double precision not null default 0,
  add column timeout_ms bigint,
  add column claimed_at timestamptz,
  drop constraint reviews_status_check,
  add constraint reviews_status_check check (status in ('waiting', 'open', 'escalated', 'decided')),
  add constraint reviews_waiting_check check (case status when 'waiting' then timeout_ms is not null else opened_at is not null and due_at is not null end);

create index reviews_waiting on reviews (pipeline, value desc, ordinal) where status = 'waiting';
create index reviews_claimed on reviews (pipeline, claimed_at) where status = 'waiting' and claimed_at is not null;
