import { DatabaseError, type Pool, type PoolClient } from 'pg';
import type { OffsetRange } from '../contracts/batch-runs.ts';
import type { Chain } from '../contracts/event-key.ts';
import { mergeTouching, type LedgerRow } from './merge-ranges.ts';
import { withClient } from './with-client.ts';

/** What a batch has taken of its partition. */
export interface BatchRange {
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
  /** Between two ranges, in order; at most `breaksMax` holes and overlaps of all chains are read. */
  holes: OffsetRange[];
  overlaps: OffsetRange[];
}

const breaksMax = 1_000;
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
      await pool.query('insert into chains (deployment, pipeline, epoch, topic, partition) values ($1, $2, $3, $4, $5) on conflict do nothing', key);
      const { rows } = await pool.query<{ id: number }>('select id from chains where (deployment, pipeline, epoch, topic, partition) = ($1, $2, $3, $4, $5)', key);
      id = rows[0]!.id;
      if (known.size >= chainsMax) known.clear();
      known.set(key.join(':'), id);
    }
    await pool.query({ name: 'range-insert', text: insertSql, values: [id, position, end, count] });
  };
}

const undefinedTable = '42P01';

/**
 * Where the last batch of a chain ends, as far as the ledger knows; null when it has none, or when no worker has made its tables
 * yet. No batch below it was skipped: none is started before the one before it is scored.
 */
export async function findChainEnd(pool: Pool, { deployment, pipeline, epoch, topic, partition }: Chain): Promise<number | null> {
  try {
    const { rows } = await pool.query<{ end: number | null }>(
      `select max("end")::float8 as end from batch_ranges
       where chain = (select id from chains where (deployment, pipeline, epoch, topic, partition) = ($1, $2, $3, $4, $5))`,
      [deployment, pipeline, epoch, topic, partition],
    );
    return rows[0]!.end;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === undefinedTable) return null;
    throw error;
  }
}

const chainsSql = `
  select id, deployment, pipeline, epoch, topic, partition, min(position)::float8 as from, max("end")::float8 as to, sum(batches)::float8 as batches,
    sum(count)::float8 as records, sum(doubled)::float8 as doubled
  from chains join batch_ranges on chain = id
  where deployment = $1 and epoch = (select max(epoch) from chains newest where (newest.deployment, newest.pipeline, newest.topic) = (chains.deployment, chains.pipeline, chains.topic))
  group by id order by pipeline, topic, partition limit ${chainsMax}`;

const breaksSql = `
  select chain as id, covered::float8, position::float8, "end"::float8 as end
  from (
    select chain, position, "end", max("end") over (partition by chain order by position, "end" rows between unbounded preceding and 1 preceding) as covered
    from batch_ranges where chain = any($1)
  ) ranged
  where covered <> position order by chain, position limit ${breaksMax}`;

type ChainRow = Chain & OffsetRange & { id: number; batches: number; records: number; doubled: number };

/** Every chain of a deployment with what breaks it; of a topic that was begun anew only the newest epoch. */
export async function readLedger(pool: Pool, deployment: string): Promise<LedgerChain[]> {
  const { rows } = await pool.query<ChainRow>(chainsSql, [deployment]);
  const { rows: breaks } = await pool.query<{ id: number; covered: number; position: number; end: number }>(breaksSql, [rows.map(({ id }) => id)]);
  return rows.map(({ id, from, to, batches, records, doubled, ...chain }) => {
    const own = breaks.filter((each) => each.id === id);
    return {
      chain,
      span: { from, to },
      batches,
      records,
      doubled,
      holes: own.filter(({ covered, position }) => covered < position).map(({ covered, position }) => ({ from: covered, to: position })),
      overlaps: own.filter(({ covered, position }) => covered > position).map(({ covered, position, end }) => ({ from: position, to: Math.min(covered, end) })),
    };
  });
}

/** Makes one row of those that touch and are older than that. Answers how many rows went. */
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
    await client.query('begin');
    const old = await takeOld(client, chain, olderThanSeconds);
    const merged = mergeTouching(old);
    const column = (of: (row: LedgerRow) => number) => merged.map(of);
    await client.query(
      `insert into batch_ranges (chain, position, "end", count, batches, doubled, at)
       select $1, position, "end", count, batches, doubled, to_timestamp(at)
       from unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::float8[]) as row (position, "end", count, batches, doubled, at)
       on conflict do nothing`,
      [chain, column((row) => row.position), column((row) => row.end), column((row) => row.count), column((row) => row.batches), column((row) => row.doubled), column((row) => row.atSeconds)],
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
