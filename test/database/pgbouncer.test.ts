import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countDecisions, findDecisions } from '../../database/decisions.ts';
import { migrate, readMigrations } from '../../database/migrate.ts';
import { createPool, type Pool } from '../../database/pool.ts';
import { createRangeWriter, mergeOldRanges } from '../../ledger/ranges.ts';
import { findPartitionEnds, readLedger } from '../../ledger/read-ledger.ts';
import { countReviews, findReview, listReviews } from '../../reviews/lists.ts';
import { writeReviewTransition } from '../../reviews/projection.ts';
import { addWaitingReviews, claimWaitingReviews } from '../../reviews/waiting.ts';
import { createVerdictService } from '../../reviews/verdict-service.ts';
import { createDashboardSink } from '../../sinks/dashboard.ts';
import { decisionRow, deliveryOf } from '../sinks/rows.ts';
import { createDatabase, startLiveServers } from '../stack/live.ts';
import { reviewInput } from '../workflows/review-rig.ts';
import { preparePgBouncer, startPgBouncer, type PgBouncer } from './pgbouncer/pgbouncer.ts';

const program = preparePgBouncer();
if (typeof program === 'string') process.stderr.write(`skipped: PgBouncer. ${program}\n`);

describe.skipIf(typeof program === 'string')('through PgBouncer in transaction mode', () => {
  let bouncer: PgBouncer;
  let direct: Pool;
  let url: string;
  /** Two processes, which between them have more sessions than PgBouncer has connections. */
  let pools: Pool[];
  beforeAll(async () => {
    const { postgres } = await startLiveServers({ postgres: true });
    const databaseUrl = await createDatabase(postgres.databaseUrl);
    direct = await createPool(databaseUrl, { max: 2, applicationName: 'direct' });
    // What an operator may have set for other programs.
    const name = new URL(databaseUrl).pathname.slice(1);
    await direct.query(
      `alter database "${name}" set datestyle = 'German, DMY'; alter database "${name}" set timezone = 'America/New_York'`,
    );
    if (typeof program === 'string') throw new Error(program);
    bouncer = await startPgBouncer(program, databaseUrl);
    url = bouncer.urlOf(databaseUrl);
    pools = await Promise.all(
      [1, 2].map(() => createPool(url, { max: 4, applicationName: 'test', statementTimeoutMs: 5_000 })),
    );
  }, 180_000);
  afterAll(async () => {
    await Promise.all([...(pools ?? []), direct].map((pool) => pool?.end()));
    await bouncer?.stop();
  });

  const onBoth = <T>(times: number, work: (pool: Pool, i: number) => Promise<T>) =>
    Promise.all(Array.from({ length: times }, (_, i) => work(pools[i % 2]!, i)));

  it('makes the tables once', async () => {
    const ran = await onBoth(6, (pool) => migrate(pool));
    expect(ran.filter((names) => names.length > 0)).toEqual([readMigrations().map(({ name }) => name)]);
  });

  it('delivers decisions once each, and reads them with their times', async () => {
    const sinks = pools.map((pool) => createDashboardSink({ pool }));
    await onBoth(40, (_, i) =>
      sinks[i % 2]!.deliver(
        deliveryOf([decisionRow(i - (i % 4)), decisionRow(1_000 + i)]),
        new AbortController().signal,
      ),
    );
    const [total] = await countDecisions(pools[0]!, 'local');
    expect(total).toEqual({ pipeline: 'orders', outcome: 'approve', decisions: 50 });
    const found = await onBoth(40, (pool, i) => findDecisions(pool, 'local', ['orders'], `order-${1_000 + i}`));
    expect(found.map(([decision]) => decision!.eventTime.getTime())).toEqual(
      Array.from({ length: 40 }, (_, i) => decisionRow(1_000 + i).eventTimeMs),
    );
  });

  it('keeps the range ledger', async () => {
    const writers = pools.map(createRangeWriter);
    const chain = { deployment: 'local', pipeline: 'orders', epoch: 0, topic: 'orders', layout: 0, chain: 0 };
    const range = (i: number) => ({ partition: 0, position: i * 10, end: i * 10 + 10, count: 10 });
    await onBoth(40, (_, i) => writers[i % 2]!({ ...chain, sequence: i, ranges: [range(i)] }));
    expect((await findPartitionEnds(pools[1]!, chain)).get(0)).toMatchObject({ end: 400, sequence: 39 });
    expect(await mergeOldRanges(pools[0]!, -60)).toBe(39);
    expect(await readLedger(pools[1]!, 'local')).toMatchObject([
      { span: { from: 0, to: 400 }, batches: 40, holes: [], moreHoles: 0 },
    ]);
  });

  it('opens and decides reviews', async () => {
    await onBoth(40, (pool, i) => addWaitingReviews(pool, [{ input: reviewInput(i), value: i }]));
    const claims = await onBoth(10, (pool) =>
      claimWaitingReviews(pool, { deployment: 'local', pipeline: 'orders', openMax: 100, claimMax: 4 }),
    );
    const claimed = claims.flat();
    expect(new Set(claimed.map(({ eventKey }) => eventKey)).size).toBe(claimed.length);
    expect(claimed.every(({ eventTimeMs }) => eventTimeMs === reviewInput(0).eventTimeMs)).toBe(true);
    await onBoth(40, (pool, i) =>
      writeReviewTransition(pool, reviewInput(i), { step: 1, action: 'opened', atMs: 1_000, dueAtMs: 2_000 }),
    );
    expect(await countReviews(pools[0]!, 'local', ['open'])).toEqual([{ pipeline: 'orders', count: 40 }]);
    const [review] = await listReviews(pools[0]!, { deployment: 'local', limit: 1 });
    expect(review).toMatchObject({ status: 'open', openedAt: new Date(1_000), dueAt: new Date(2_000) });
    expect(await findReview(pools[1]!, 'local', review!.id)).toEqual(review);

    // The lock of a verdict is held from the first look to the answer: one is sent at a time, and each is known to the next.
    let sending = 0;
    const desks = pools.map((pool) =>
      createVerdictService({
        pool,
        sendVerdict: async (_, verdict) => {
          expect(++sending).toBe(1);
          const accepted = {
            id: verdict.id,
            verdict: verdict.verdict,
            reviewer: verdict.reviewer,
            comment: undefined,
            decidedAtMs: 3_000,
          };
          await writeReviewTransition(direct, reviewInput(0), {
            step: 2,
            action: 'decided',
            atMs: 3_000,
            openedAtMs: 1_000,
            dueAtMs: 2_000,
            accepted,
          });
          sending--;
          return { kind: 'accepted', accepted };
        },
      }),
    );
    const verdicts = await Promise.allSettled(
      Array.from({ length: 4 }, (_, i) =>
        desks[i % 2]!(`review:${reviewInput(0).eventKey}`, { id: `v${i}`, verdict: 'fraud', reviewer: `r${i}` }),
      ),
    );
    expect(verdicts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('gives up a statement that takes too long, and goes on with the next', async () => {
    const pool = await createPool(url, { max: 1, applicationName: 'test', statementTimeoutMs: 50 });
    try {
      await expect(pool.query('select pg_sleep(60)')).rejects.toThrow(/timeout/);
      expect((await pool.query('select 7 as n')).rows).toEqual([{ n: 7 }]);
    } finally {
      await pool.end();
    }
  });
});
