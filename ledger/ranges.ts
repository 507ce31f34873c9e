import type { Pool, PoolClient } from 'pg';
import { partitionId, partitionOf, type BatchRef, type TopicRef } from '../contracts/event-key.ts';
import { withClient } from '../database/with-client.ts';
import { mergeTouching, type LedgerRow } from './merge-touching.ts';

/** More partitions than one ledger ever has: at 1,000 partitions it is 10 pipelines. */
export const partitionsMax = 10_000;
/** Rows of one partition that one round of merging takes: at 30 batches a second, a dozen minutes. */
const mergedAtOnceMax = 20_000;

/** A merged row that has the range stands for the batch, too; so a repeat adds nothing, however late it comes. */
const insertSql = `
  insert into batch_ranges (partition_id, position, "end", count, layout, chain, first_sequence, last_sequence)
  select id, position, "end", count, $5, $6, $7, $7
  from unnest($1::int4[], $2::int8[], $3::int8[], $4::int8[]) as range (id, position, "end", count)
  where not exists (
    select from batch_ranges as merged
    where merged.batches > 1 and merged.partition_id = range.id and merged.layout = $5
      and merged.position <= range.position and merged."end" >= range."end" and $7 between merged.first_sequence and merged.last_sequence)
  on conflict do nothing`;

/** Writes that a batch was started, with all its ranges or none. Safe to repeat, also long after its rows were merged with their neighbours. */
export type AddRanges = (batch: BatchRef) => Promise<void>;

/** A writer that remembers the numbers of its partitions: a worker meets each of them again and again. */
export function createRangeWriter(pool: Pool): AddRanges {
  const known = new Map<string, number>();
  return async (batch) => {
    const { layout, chain, sequence, ranges } = batch;
    const keyOf = (partition: number) => partitionId(partitionOf(batch, partition));
    if (known.size >= partitionsMax) known.clear();
    const unknown = ranges.map(({ partition }) => partition).filter((partition) => !known.has(keyOf(partition)));
    if (unknown.length > 0)
      for (const [partition, id] of await numbersOf(pool, batch, unknown)) known.set(keyOf(partition), id);
    await pool.query({
      name: 'ranges-insert',
      text: insertSql,
      values: [
        ranges.map(({ partition }) => known.get(keyOf(partition))!),
        ranges.map(({ position }) => position),
        ranges.map(({ end }) => end),
        ranges.map(({ count }) => count),
        layout,
        chain,
        sequence,
      ],
    });
  };
}

/** The numbers of a topic's partitions, which get one where they have none. */
async function numbersOf(
  pool: Pool,
  { deployment, pipeline, epoch, topic }: TopicRef,
  partitions: readonly number[],
): Promise<Map<number, number>> {
  const place = [deployment, pipeline, epoch, topic, partitions];
  await pool.query(
    `insert into partitions (deployment, pipeline, epoch, topic, partition)
     select $1, $2, $3, $4, partition from unnest($5::int4[]) as asked (partition) on conflict do nothing`,
    place,
  );
  const { rows } = await pool.query<{ partition: number; id: number }>(
    'select partition, id from partitions where (deployment, pipeline, epoch, topic) = ($1, $2, $3, $4) and partition = any($5::int4[])',
    place,
  );
  return new Map(rows.map(({ partition, id }) => [partition, id]));
}

/** Makes one row of those of a layout that touch and are older than that. Returns how many rows went. */
export async function mergeOldRanges(pool: Pool, olderThanSeconds: number): Promise<number> {
  const { rows } = await pool.query<{ id: number }>(
    `select partition_id as id from batch_ranges where at < now() - make_interval(secs => $1)
     group by partition_id having count(*) > 1 order by partition_id limit ${partitionsMax}`,
    [olderThanSeconds],
  );
  let gone = 0;
  for (const { id } of rows) gone += await mergePartition(pool, id, olderThanSeconds);
  return gone;
}

async function mergePartition(pool: Pool, id: number, olderThanSeconds: number): Promise<number> {
  return withClient(pool, async (client) => {
    await client.query('begin isolation level read committed');
    const old = await takeOld(client, id, olderThanSeconds);
    const merged = mergeTouching(old);
    const column = (of: (row: LedgerRow) => number) => merged.map(of);
    await client.query(
      `insert into batch_ranges (partition_id, position, "end", count, batches, doubled, layout, chain, first_sequence, last_sequence, at)
       select $1, position, "end", count, batches, doubled, layout, chain, first_sequence, last_sequence, to_timestamp(at)
       from unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int4[], $8::int4[], $9::int8[], $10::int8[], $11::float8[])
         as row (position, "end", count, batches, doubled, layout, chain, first_sequence, last_sequence, at)
       on conflict do nothing`,
      [
        id,
        column((row) => row.position),
        column((row) => row.end),
        column((row) => row.count),
        column((row) => row.batches),
        column((row) => row.doubled),
        column((row) => row.layout),
        column((row) => row.chain),
        column((row) => row.firstSequence),
        column((row) => row.lastSequence),
        column((row) => row.atSeconds),
      ],
    );
    await client.query(old.length > merged.length ? 'commit' : 'rollback');
    return old.length - merged.length;
  });
}

/** The newest of them first: a merged row comes right behind the rows that touch it, and rows that nothing will touch any more hold up none. */
async function takeOld(client: PoolClient, id: number, olderThanSeconds: number): Promise<LedgerRow[]> {
  const { rows } = await client.query<LedgerRow>(
    `delete from batch_ranges where partition_id = $1 and (layout, last_sequence, position, "end") in (
       select layout, last_sequence, position, "end" from batch_ranges where partition_id = $1 and at < now() - make_interval(secs => $2)
       order by layout desc, last_sequence desc limit ${mergedAtOnceMax})
     returning position::float8, "end"::float8 as end, count::float8, batches::float8, doubled::float8, layout, chain,
       first_sequence::float8 as "firstSequence", last_sequence::float8 as "lastSequence", extract(epoch from at)::float8 as "atSeconds"`,
    [id, olderThanSeconds],
  );
  return rows;
}
