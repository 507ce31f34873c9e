import { DatabaseError, type Pool, type PoolClient } from 'pg';
import type { OffsetRange } from '../contracts/batch-runs.ts';
import type { Chain } from '../contracts/event-key.ts';
import { mergeTouching, type LedgerRow } from './merge-ranges.ts';
import { withClient } from '../database/with-client.ts';

/** What a batch has taken of its partition. */
interface BatchRange {
  position: number;
  end: number;
  count: number;
}

/** One chain as the ledger has it. */
export interface LedgerChain {
  chain: Chain;
  /** From the first position to the last end. */
  span: OffsetRange;
  batches: number;
  records: number;
  /** Offsets that more than one of the older batches had. */
  doubled: number;
  /** Between two ranges: the first ones in order, and how many more there are. */
  holes: OffsetRange[];
  moreHoles: number;
  overlaps: OffsetRange[];
  moreOverlaps: number;
}

/** Holes, and apart from them overlaps, that are read of one chain: more are not looked up either. */
const breaksPerChainMax = 200;
/** More chains than one ledger ever has; at 1,000 partitions it is 10 pipelines. */
const chainsMax = 10_000;
/** Rows of one chain that one round of merging takes: at 30 batches a second, a dozen minutes of one partition. */
const mergedAtOnceMax = 20_000;

const insertSql = `
  insert into batch_ranges (chain, position, "end", count)
  select $1, $2, $3, $4
  where not exists (select from batch_ranges where chain = $1 and batches > 1 and position <= $2 and "end" >= $3)
  on conflict do nothing`;

/** Writes that a batch was started. Safe to repeat, also long after its row was merged with its neighbours. */
export type AddRange = (chain: Chain, range: BatchRange) => Promise<void>;

/** A writer that remembers the numbers of its chains: a worker meets one per partition. */
export function createRangeWriter(pool: Pool): AddRange {
  const known = new Map<string, number>();
  return async (chain, { position, end, count }) => {
    const { deployment, pipeline, epoch, topic, partition } = chain;
    const key = [deployment, pipeline, epoch, topic, partition];
    let id = known.get(key.join(':'));
    if (id === undefined) {
      await pool.query(
        'insert into chains (deployment, pipeline, epoch, topic, partition) values ($1, $2, $3, $4, $5) on conflict do nothing',
        key,
      );
      const { rows } = await pool.query<{ id: number }>(
        'select id from chains where (deployment, pipeline, epoch, topic, partition) = ($1, $2, $3, $4, $5)',
        key,
      );
      id = rows[0]!.id;
      if (known.size >= chainsMax) known.clear();
      known.set(key.join(':'), id);
    }
    await pool.query({ name: 'range-insert', text: insertSql, values: [id, position, end, count] });
  };
}

const isUndefinedTable = (error: unknown) => error instanceof DatabaseError && error.code === '42P01';

/**
 * Where the last batch of a chain ends, as far as the ledger knows; null when it has none, or when no worker has made its tables
 * yet. No batch below it was skipped: none is started before the one before it is scored.
 */
export async function findChainEnd(
  pool: Pool,
  { deployment, pipeline, epoch, topic, partition }: Chain,
): Promise<number | null> {
  try {
    const { rows } = await pool.query<{ end: number | null }>(
      `select max("end")::float8 as end from batch_ranges
       where chain = (select id from chains where (deployment, pipeline, epoch, topic, partition) = ($1, $2, $3, $4, $5))`,
      [deployment, pipeline, epoch, topic, partition],
    );
    return rows[0]!.end;
  } catch (error) {
    if (isUndefinedTable(error)) return null;
    throw error;
  }
}

const chainsSql = `
  select id, deployment, pipeline, epoch, topic, partition, min(position)::float8 as from, max("end")::float8 as to, sum(batches)::float8 as batches,
    sum(count)::float8 as records, sum(doubled)::float8 as doubled
  from chains join batch_ranges on chain = id
  where deployment = $1 and epoch = (select max(epoch) from chains newest where (newest.deployment, newest.pipeline, newest.topic) = (chains.deployment, chains.pipeline, chains.topic))
  group by id order by pipeline, topic, partition limit ${chainsMax}`;

/**
 * Every chain that is broken gives its first breaks before any gives its next ones, and so does each kind: a limit on all of them
 * that is no lower than the number of chains hides none. `total` is how many of its kind the chain has.
 */
const breaksSql = `
  with ranged as (
    select chain, position, "end", max("end") over (partition by chain order by position, "end" rows between unbounded preceding and 1 preceding) as covered
    from batch_ranges where chain = any($1)
  ), numbered as (
    select *, covered < position as is_hole, row_number() over (partition by chain, covered < position order by position, "end") as nth, count(*) over (partition by chain, covered < position) as total
    from ranged where covered <> position
  ), ranked as (
    select *, row_number() over (partition by is_hole order by nth, chain) as rank from numbered where nth <= ${breaksPerChainMax}
  )
  select chain as id, is_hole as "isHole", covered::float8, position::float8, "end"::float8 as end, total::int
  from ranked where rank <= ${chainsMax} order by chain, position, "end"`;

type ChainRow = Chain & OffsetRange & { id: number; batches: number; records: number; doubled: number };
type BreakRow = { id: number; isHole: boolean; covered: number; position: number; end: number; total: number };

/**
 * Every chain of a deployment with what breaks it; of a topic that was begun anew only the newest epoch. Throws one sentence when no
 * worker has made the ledger's tables yet.
 */
export async function readLedger(pool: Pool, deployment: string): Promise<LedgerChain[]> {
  const { rows } = await pool.query<ChainRow>(chainsSql, [deployment]).catch((error: unknown) => {
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
  return rows.map(({ id, from, to, batches, records, doubled, ...chain }) => {
    const holes = breaksOf.get(`${id}:true`) ?? [];
    const overlaps = breaksOf.get(`${id}:false`) ?? [];
    return {
      chain,
      span: { from, to },
      batches,
      records,
      doubled,
      holes: holes.map(({ covered, position }) => ({ from: covered, to: position })),
      moreHoles: (holes[0]?.total ?? 0) - holes.length,
      overlaps: overlaps.map(({ covered, position, end }) => ({ from: position, to: Math.min(covered, end) })),
      moreOverlaps: (overlaps[0]?.total ?? 0) - overlaps.length,
    };
  });
}

/** Makes one row of those that touch and are older than that. Returns how many rows went. */
export async function mergeOldRanges(pool: Pool, olderThanSeconds: number): Promise<number> {
  const { rows } = await pool.query<{ chain: number }>(
    `select chain from batch_ranges where at < now() - make_interval(secs => $1) group by chain having count(*) > 1 order by chain limit ${chainsMax}`,
    [olderThanSeconds],
  );
  let gone = 0;
  for (const { chain } of rows) gone += await mergeChain(pool, chain, olderThanSeconds);
  return gone;
}

async function mergeChain(pool: Pool, chain: number, olderThanSeconds: number): Promise<number> {
  return withClient(pool, async (client) => {
    await client.query('begin isolation level read committed');
    const old = await takeOld(client, chain, olderThanSeconds);
    const merged = mergeTouching(old);
    const column = (of: (row: LedgerRow) => number) => merged.map(of);
    await client.query(
      `insert into batch_ranges (chain, position, "end", count, batches, doubled, at)
       select $1, position, "end", count, batches, doubled, to_timestamp(at)
       from unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::float8[]) as row (position, "end", count, batches, doubled, at)
       on conflict do nothing`,
      [
        chain,
        column((row) => row.position),
        column((row) => row.end),
        column((row) => row.count),
        column((row) => row.batches),
        column((row) => row.doubled),
        column((row) => row.atSeconds),
      ],
    );
    await client.query(old.length > merged.length ? 'commit' : 'rollback');
    return old.length - merged.length;
  });
}

async function takeOld(client: PoolClient, chain: number, olderThanSeconds: number): Promise<LedgerRow[]> {
  const { rows } = await client.query<LedgerRow>(
    `delete from batch_ranges where chain = $1 and (position, "end") in (
       select position, "end" from batch_ranges where chain = $1 and at < now() - make_interval(secs => $2) order by position, "end" limit ${mergedAtOnceMax})
     returning position::float8, "end"::float8 as end, count::float8, batches::float8, doubled::float8, extract(epoch from at)::float8 as "atSeconds"`,
    [chain, olderThanSeconds],
  );
  return rows;
}
