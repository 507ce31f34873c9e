-- The range ledger: what each started batch has taken of its partition. A chain is one partition of one topic of one pipeline, in
-- one epoch.
create table chains (
  id integer generated always as identity primary key,
  deployment text not null,
  pipeline text not null,
  epoch integer not null,
  topic text not null,
  partition integer not null,
  unique (deployment, pipeline, epoch, topic, partition)
);

-- One row per batch; the batch's workflow id follows from chain and position. Old rows that touch become one row of many batches,
-- so the table holds an hour of batches and one row per chain, and one more for each hole. `doubled` counts the offsets that
-- more than one of these batches had.
create table batch_ranges (
  chain integer not null,
  position bigint not null,
  "end" bigint not null,
  count bigint not null,
  batches bigint not null default 1,
  doubled bigint not null default 0,
  at timestamptz not null default now(),
  primary key (chain, position, "end"),
  check (position < "end")
);

create index batch_ranges_by_age on batch_ranges (chain, at);
create index batch_ranges_merged on batch_ranges (chain, position) where batches > 1;
