-- The names of a pipeline's features, in column order. Kept once, not in each decision: names would be most of its bytes.
-- Rows are never removed; a foreign key would only cost a lookup and a shared lock per decision.
create table feature_sets (
  id integer generated always as identity primary key,
  names text[] not null unique
);

-- One row per event key: the permanent identity of the effect, so a delivery that comes again changes nothing.
create table decisions (
  event_key text primary key,
  pipeline text not null,
  event_id text not null,
  topic text not null,
  partition integer not null,
  kafka_offset bigint not null,
  -- Null for a record whose time cannot be used.
  record_time timestamptz,
  event_time timestamptz not null,
  entities jsonb not null,
  event jsonb not null,
  feature_set integer not null,
  features real[] not null,
  prediction jsonb not null,
  model_name text not null,
  model_version text not null,
  degraded boolean not null,
  late boolean not null,
  outcome text not null,
  why text not null,
  workflow_id text not null,
  decided_at timestamptz not null default now()
);

create index decisions_by_event_id on decisions (pipeline, event_id);

-- The same with features by name. Each is the exact float32 that the model saw, written as the double that equals it.
create view decisions_by_name as
  select event_key, pipeline, event_id, topic, partition, kafka_offset, record_time, event_time, entities, event,
    (select jsonb_object_agg(name, value::float8) from unnest(names, features) as feature (name, value)) as features,
    prediction, model_name, model_version, degraded, late, outcome, why, workflow_id, decided_at
  from decisions join feature_sets on feature_sets.id = feature_set;

-- Counts per minute of event time. They change only for rows that were really inserted, in the same statement, so they
-- always equal a count over the decisions. Updated in place very often: room on each page keeps those updates cheap.
create table decision_minutes (
  deployment text not null,
  pipeline text not null,
  minute timestamptz not null,
  outcome text not null,
  model_version text not null,
  decisions bigint not null,
  degraded bigint not null,
  late bigint not null,
  primary key (deployment, pipeline, minute, outcome, model_version)
) with (fillfactor = 50);
