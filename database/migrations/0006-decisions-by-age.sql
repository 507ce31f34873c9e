-- Decisions may be kept for a limited time. Rows of one delivery share deployment and `decided_at`, so the index is small.
create index decisions_by_age on decisions (split_part(event_key, ':', 1), decided_at);

-- A minute that has not been counted in for that time has no decision left. No index holds this, or each count would cost a new entry in all
-- of them.
alter table decision_minutes add column counted_at timestamptz not null default now();
