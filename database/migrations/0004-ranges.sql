-- The range ledger: what each started batch has taken of each of its partitions. A partition is one of one topic of one pipeline,
-- in one epoch.
create table partitions (
  id integer generated always as identity primary key,
  deployment text not null,
  pipeline text not null,
  epoch integer not null,
  topic text not null,
  partition integer not null,
  unique (deployment, pipeline, epoch, topic, partition)
);

-- One row per batch and partition; the batch's workflow id follows from layout, chain and sequence. Old rows of one layout that touch
-- become one row of many batches, so the table holds an hour of batches and one row per partition and layout, and one more for each
-- hole. `doubled` counts the offsets that more than one of these batches had.
create table batch_ranges (
  partition_id integer not null,
  position bigint not null,
  "end" bigint not null,
  count bigint not null,
  batches bigint not null default 1,
  doubled bigint not null default 0,
  layout integer not null,
  chain integer not null,
  first_sequence bigint not null,
  last_sequence bigint not null,
  at timestamptz not null default now(),
  primary key (partition_id, layout, last_sequence, position, "end"),
  check (position < "end"),
  check (first_sequence <= last_sequence)
);

create index batch_ranges_by_end on batch_ranges (partition_id, "end");
create index batch_ranges_merged on batch_ranges (partition_id, layout, position) where batches > 1;
