import { DatabaseError, type Pool } from 'pg';
import type { OffsetRange } from '../contracts/batch-runs.ts';
import type { PartitionRef, TopicRef } from '../contracts/event-key.ts';
import type { PartitionEnd } from '../contracts/partition-end.ts';
import { partitionsMax } from './ranges.ts';

/** A batch, as the rows of a partition name it. */
export interface LedgerBatch {
  layout: number;
  chain: number;
  sequence: number;
}

/** Offsets of a partition that no row has. */
export interface LedgerHole extends OffsetRange {
  /** The last batch of the rows that end where it begins. */
  before: LedgerBatch;
  /** The first batch of the row behind it. */
  behind: LedgerBatch;
}

/** One partition as the ledger has it. */
export interface LedgerPartition {
  partition: PartitionRef;
  /** From the first position to the last end. */
  span: OffsetRange;
  /** The batch of the highest layout, and there of the highest sequence. */
  last: LedgerBatch;
  batches: number;
  records: number;
  /** Offsets that more than one of the older batches had. */
  doubled: number;
  /** Between two rows: the first ones in order, and how many more there are. */
  holes: LedgerHole[];
  moreHoles: number;
  overlaps: OffsetRange[];
  moreOverlaps: number;
}

/** Holes, and apart from them overlaps, that are read of one partition: more are not looked up either. */
const breaksPerPartitionMax = 200;

const isUndefinedTable = (error: unknown) => error instanceof DatabaseError && error.code === '42P01';

const lastBatchSql = `
  select layout, chain, last_sequence::float8 as sequence from batch_ranges where partition_id = id order by layout desc, last_sequence desc limit 1`;

/**
 * Where the partitions of a topic end, as far as the ledger knows: those that it has no row of are absent, all of them when no worker
 * has made its tables yet. No record below an end was skipped: no batch of a chain is started before the one before it is scored.
 */
export async function findPartitionEnds(
  pool: Pool,
  { deployment, pipeline, epoch, topic }: TopicRef,
): Promise<Map<number, PartitionEnd>> {
  try {
    const { rows } = await pool.query<PartitionEnd & { partition: number }>(
      `select partition, highest."end"::float8 as end, layout, chain, sequence from partitions
       cross join lateral (select "end" from batch_ranges where partition_id = id order by "end" desc limit 1) as highest
       cross join lateral (${lastBatchSql}) as last
       where (deployment, pipeline, epoch, topic) = ($1, $2, $3, $4)`,
      [deployment, pipeline, epoch, topic],
    );
    return new Map(rows.map(({ partition, ...end }) => [partition, end]));
  } catch (error) {
    if (isUndefinedTable(error)) return new Map();
    throw error;
  }
}

/** The newest epoch that the ledger has of a topic; undefined when it has none, or no worker has made its tables yet. */
export async function findNewestEpoch(
  pool: Pool,
  { deployment, pipeline, topic }: Omit<TopicRef, 'epoch'>,
): Promise<number | undefined> {
  try {
    const { rows } = await pool.query<{ epoch: number | null }>(
      'select max(epoch) as epoch from partitions where (deployment, pipeline, topic) = ($1, $2, $3)',
      [deployment, pipeline, topic],
    );
    return rows[0]?.epoch ?? undefined;
  } catch (error) {
    if (isUndefinedTable(error)) return undefined;
    throw error;
  }
}

const partitionsSql = `
  with summed as (
    select partition_id, min(position)::float8 as from, max("end")::float8 as to, sum(batches)::float8 as batches, sum(count)::float8 as records, sum(doubled)::float8 as doubled
    from batch_ranges where partition_id in (select id from partitions where deployment = $1) group by partition_id
  )
  select id, deployment, pipeline, epoch, topic, partition, summed."from", summed."to", batches, records, doubled, layout, chain, sequence
  from partitions join summed on summed.partition_id = id cross join lateral (${lastBatchSql}) as last
  where deployment = $1 and epoch = (select max(epoch) from partitions newest where (newest.deployment, newest.pipeline, newest.topic) = (partitions.deployment, partitions.pipeline, partitions.topic))
  order by pipeline, topic, partition limit ${partitionsMax}`;

/**
 * Every partition that is broken gives its first breaks before any gives its next ones, and so does each kind: a limit on all of them
 * that is no lower than the number of partitions hides none. `total` is how many of its kind the partition has.
 */
const breaksSql = `
  with ranged as (
    select *, max("end") over (partition by partition_id order by position, "end", layout, last_sequence rows between unbounded preceding and 1 preceding) as covered
    from batch_ranges where partition_id = any($1)
  ), numbered as (
    select *, covered < position as is_hole, row_number() over (partition by partition_id, covered < position order by position, "end") as nth, count(*) over (partition by partition_id, covered < position) as total
    from ranged where covered <> position
  ), ranked as (
    select *, row_number() over (partition by is_hole order by nth, partition_id) as rank from numbered where nth <= ${breaksPerPartitionMax}
  )
  select ranked.partition_id as id, is_hole as "isHole", covered::float8, position::float8, "end"::float8 as end, total::int,
    json_build_object('layout', layout, 'chain', chain, 'sequence', first_sequence) as behind, before
  from ranked left join lateral (
    select json_build_object('layout', layout, 'chain', chain, 'sequence', last_sequence) as before
    from batch_ranges as row where is_hole and row.partition_id = ranked.partition_id and row."end" = covered order by layout desc, last_sequence desc limit 1
  ) as neighbour on true
  where rank <= ${partitionsMax} order by ranked.partition_id, position, "end"`;

type PartitionRow = PartitionRef &
  LedgerBatch &
  OffsetRange & { id: number; batches: number; records: number; doubled: number };
type BreakRow = { id: number; isHole: boolean; covered: number; position: number; end: number; total: number } & Pick<
  LedgerHole,
  'before' | 'behind'
>;

/**
 * Every partition of a deployment with what breaks it; of a topic that was begun anew only the newest epoch. Throws one sentence when no
 * worker has made the ledger's tables yet.
 */
export async function readLedger(pool: Pool, deployment: string): Promise<LedgerPartition[]> {
  const { rows } = await pool.query<PartitionRow>(partitionsSql, [deployment]).catch((error: unknown) => {
    if (!isUndefinedTable(error)) throw error;
    throw new Error(
      'the database has no range ledger: no worker has made its tables there yet; start one, or check that DATABASE_URL names the database of the workers',
      { cause: error },
    );
  });
  const { rows: breaks } = await pool.query<BreakRow>(breaksSql, [rows.map(({ id }) => id)]);
  const breaksOf = new Map<string, BreakRow[]>();
  for (const each of breaks) {
    const key = `${each.id}:${each.isHole}`;
    const own = breaksOf.get(key);
    if (own) own.push(each);
    else breaksOf.set(key, [each]);
  }
  return rows.map(({ id, from, to, layout, chain, sequence, batches, records, doubled, ...partition }) => {
    const holes = breaksOf.get(`${id}:true`) ?? [];
    const overlaps = breaksOf.get(`${id}:false`) ?? [];
    return {
      partition,
      span: { from, to },
      last: { layout, chain, sequence },
      batches,
      records,
      doubled,
      holes: holes.map(({ covered, position, before, behind }) => ({ from: covered, to: position, before, behind })),
      moreHoles: (holes[0]?.total ?? 0) - holes.length,
      overlaps: overlaps.map(({ covered, position, end }) => ({ from: position, to: Math.min(covered, end) })),
      moreOverlaps: (overlaps[0]?.total ?? 0) - overlaps.length,
    };
  });
}
