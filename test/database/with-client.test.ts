import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../database/migrate.ts';
import { createPool, type Pool } from '../../database/pool.ts';
import { createRangeWriter, mergeOldRanges } from '../../ledger/ranges.ts';
import { readLedger } from '../../ledger/read-ledger.ts';
import { withClient } from '../../database/with-client.ts';
import { createVerdictService } from '../../reviews/verdict-service.ts';
import { uniqueName } from '../stack/live.ts';
import { openDatabase } from './open.ts';

let pool: Pool;
let url: string;
beforeAll(async () => {
  ({ pool, url } = await openDatabase());
}, 180_000);
afterAll(() => pool?.end());

// What would end a process outside of a test.
const uncaught: unknown[] = [];
const onUncaught = (error: unknown) => void uncaught.push(error);
beforeEach(() => {
  uncaught.length = 0;
  process.on('uncaughtException', onUncaught);
});
afterEach(() => {
  process.off('uncaughtException', onUncaught);
});

/**
 * Resets the one connection of the work once its query waits for a lock, and proves that the process and the pool live on. A reset,
 * because Postgres says good-bye when it ends a connection: the query that is under way then fails first, and is not the danger.
 */
async function cutBlocked(work: (victim: Pool) => Promise<unknown>): Promise<void> {
  const applicationName = uniqueName('victim');
  const proxy = await openProxy();
  const victim = await createPool(proxy.url, { max: 1, applicationName });
  try {
    const failed = work(victim).then(
      () => 'it went well',
      (error: Error) => error.message,
    );
    await expect
      .poll(
        async () =>
          (
            await pool.query(`select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`, [
              applicationName,
            ])
          ).rowCount,
        { timeout: 10_000 },
      )
      .toBe(1);
    proxy.cut();
    expect(await failed).toMatch(/ECONNRESET|terminat/i);
    expect((await victim.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    expect(victim.totalCount).toBe(1);
    expect(uncaught).toEqual([]);
  } finally {
    await victim.end();
    proxy.close();
  }
}

/** Another way to the database, whose connections can be reset. */
async function openProxy(): Promise<{ url: string; cut(): void; close(): void }> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy()).on('close', () => (sockets.delete(from), to.destroy()));
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxied = new URL(url);
  proxied.hostname = '127.0.0.1';
  proxied.port = String((server.address() as AddressInfo).port);
  const cut = () => sockets.forEach((socket) => socket.resetAndDestroy());
  return { url: proxied.href, cut, close: () => (cut(), server.close()) };
}

/** Holds what that statement takes while the work runs. */
const holding = (statement: string, work: () => Promise<void>) =>
  withClient(pool, async (client) => {
    await client.query('begin');
    await client.query(statement);
    await work();
    await client.query('rollback');
  });

describe('a connection that drops while it is lent', () => {
  it('fails a merge, whose rows stay, and ends no process', async () => {
    const chain = { deployment: uniqueName('d'), pipeline: 'orders', epoch: 0, topic: 'orders', layout: 0, chain: 0 };
    const add = createRangeWriter(pool);
    for (const sequence of [0, 1])
      await add({
        ...chain,
        sequence,
        ranges: [{ partition: 0, position: sequence * 10, end: sequence * 10 + 10, count: 10 }],
      });
    await pool.query(`update batch_ranges set at = now() - interval '2 hours'`);
    await holding('select from batch_ranges for update', () => cutBlocked((victim) => mergeOldRanges(victim, 3_600)));
    expect(await readLedger(pool, chain.deployment)).toMatchObject([{ batches: 2, records: 20 }]);
    expect(await mergeOldRanges(pool, 3_600)).toBe(1);
  });

  it('fails a migration', () =>
    holding('lock table headrace_migrations in access exclusive mode', () => cutBlocked((victim) => migrate(victim))));

  it('fails a verdict that waits for its turn', () =>
    holding(`select pg_advisory_xact_lock(hashtextextended('headrace verdict review:1', 0))`, () =>
      cutBlocked((victim) =>
        createVerdictService({ pool: victim, sendVerdict: () => Promise.reject(new Error('not asked')) })('review:1', {
          id: 'v1',
          verdict: 'fraud',
          reviewer: 'Ann',
        }).catch((error: Error) => Promise.reject(error.cause as Error)),
      ),
    ));

  it('takes nothing back of a verdict that was accepted', async () => {
    const applicationName = uniqueName('victim');
    const victim = await createPool(url, { max: 1, applicationName });
    try {
      const decide = createVerdictService({
        pool: victim,
        sendVerdict: async (_, { id }) => {
          await pool.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
            applicationName,
          ]);
          await expect
            .poll(
              async () =>
                (await pool.query('select from pg_stat_activity where application_name = $1', [applicationName]))
                  .rowCount,
              { timeout: 10_000 },
            )
            .toBe(0);
          return { kind: 'accepted', accepted: { id, verdict: 'fraud', reviewer: 'Ann', decidedAtMs: 0 } };
        },
      });
      expect(await decide('review:2', { id: 'v2', verdict: 'fraud', reviewer: 'Ann' })).toMatchObject({ id: 'v2' });
      expect((await victim.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
      expect(uncaught).toEqual([]);
    } finally {
      await victim.end();
    }
  });

  it('keeps a connection whose work went well, and closes one whose work failed', async () => {
    const single = await createPool(url, { max: 1, applicationName: 'test' });
    try {
      const pidOf = () =>
        withClient(
          single,
          async (client) => (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid,
        );
      const first = await pidOf();
      expect(await pidOf()).toBe(first);
      await expect(withClient(single, (client) => client.query('begin; select * from missing'))).rejects.toThrow(
        /missing/,
      );
      expect(await pidOf()).not.toBe(first);
    } finally {
      await single.end();
    }
  });
});
