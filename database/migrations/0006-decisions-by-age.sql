-- Decisions may be kept for a limited time. Rows of one delivery share their `decided_at`, so the index is small and grows at its end only.
create index decisions_by_age on decisions (decided_at);

-- A minute that has not been counted in for that time has no decision left.
alter table decision_minutes add column counted_at timestamptz not null default now();
