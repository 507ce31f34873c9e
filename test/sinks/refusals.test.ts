import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  examineRefusal,
  isRefusal,
  newSearch,
  noteAccepted,
  type SinkEvidence,
} from '../../sinks/policy/examine-refusal.ts';
import { guardSink } from '../../sinks/policy/sink-guard.ts';
import type { HeadraceError } from '../../contracts/failures.ts';
import type { AnyPipeline, ReviewPolicy } from '../../contracts/pipeline.ts';
import { migrate } from '../../database/migrate.ts';
import type { Pool } from '../../database/pool.ts';
import { createDashboardSink } from '../../sinks/dashboard.ts';
import type { DecisionRow } from '../../contracts/delivery.ts';
import type { Sink } from '../../sinks/port.ts';
import { createReviewSink } from '../../sinks/review.ts';
import { openDatabase } from '../database/open.ts';
import { decisionRow, deliveryOf } from './rows.ts';
import { until } from '../live/wait.ts';

const review: ReviewPolicy<any> = {
  verdicts: ['yes', 'no'],
  timeoutMs: 1_000,
  title: (event) => String(event.title ?? 'secret title'),
};
const pipeline = { name: 'orders', review } as Partial<AnyPipeline>;

/** A worker's deliveries to one sink, as the activity makes them. */
function workerOf(sink: Sink) {
  const guarded = guardSink(sink, { deliveriesMax: 1, failuresMax: Infinity });
  const evidence: SinkEvidence = { accepted: 0, blamedInARow: 0 };
  /** Returns why, by event key, for the rows that are blamed. */
  return async (...rows: DecisionRow[]): Promise<Record<string, string>> => {
    const admitted = guarded.admit({ pipeline: 'orders', local: false, waitedMs: 0 });
    const delivery = deliveryOf(rows, pipeline);
    const { signal } = new AbortController();
    try {
      await admitted.deliver(delivery, signal);
      noteAccepted(evidence, delivery);
      return {};
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return Object.fromEntries(
        await examineRefusal({
          sink: sink.name,
          admitted,
          delivery,
          evidence,
          search: newSearch(error.detail),
          signal,
        }),
      );
    }
  };
}

let pool: Pool;
let url: string;
beforeAll(async () => {
  ({ pool, url } = await openDatabase());
}, 120_000);
afterAll(() => pool?.end());

const old = decisionRow(0, { recordTimeMs: 1_700_000_000_000 });
/** Somebody's change of a table, taken back afterwards. */
async function withChange(change: string, undo: string, work: () => Promise<void>): Promise<void> {
  await pool.query(change);
  try {
    await work();
  } finally {
    await pool.query(undo);
  }
}

describe.each([
  {
    name: 'dashboard',
    table: 'decisions',
    create: () => createDashboardSink({ pool }),
    bad: decisionRow(5, { eventTimeMs: -8.6e15 }),
  },
  {
    name: 'review',
    table: 'reviews',
    create: () => createReviewSink({ pool }),
    bad: decisionRow(5, { eventId: Array.from({ length: 2_000 }, (_, i) => (i * 7_919).toString(36)).join() }),
  },
])('the sink $name', ({ table, create, bad }) => {
  beforeEach(() => pool.query('truncate decisions, decision_minutes, reviews'));
  const count = async () =>
    (await pool.query<{ count: number }>(`select count(*)::int as count from ${table}`)).rows[0]!.count;
  const badRow =
    table === 'reviews'
      ? {
          ...bad,
          event: {
            get title() {
              throw new TypeError('secret');
            },
          },
        }
      : bad;

  const changes: [string, string, string, RegExp][] = [
    [
      'a check that no new row passes',
      `alter table ${table} add constraint odd check (false) not valid`,
      `alter table ${table} drop constraint odd`,
      /SQLSTATE 23514, table \w+, constraint odd/,
    ],
    [
      'a column that nobody fills',
      `alter table ${table} add column tenant text not null default 'x'; alter table ${table} alter column tenant drop default`,
      `alter table ${table} drop column tenant`,
      /SQLSTATE 23502, table \w+, column tenant/,
    ],
    [
      'a key of a table without rows',
      `create table others (id text primary key); alter table ${table} add constraint odd foreign key (outcome) references others not valid`,
      `alter table ${table} drop constraint odd; drop table others`,
      /SQLSTATE 23503/,
    ],
    [
      'the same, checked at the commit',
      `create table others (id text primary key); alter table ${table} add constraint odd foreign key (outcome) references others deferrable initially deferred not valid`,
      `alter table ${table} drop constraint odd; drop table others`,
      /SQLSTATE 23503/,
    ],
    [
      'a trigger that raises',
      `create function odd() returns trigger language plpgsql as $$ begin raise 'secret'; end $$; create trigger odd before insert on ${table} for each row execute function odd()`,
      `drop trigger odd on ${table}; drop function odd`,
      /SQLSTATE P0001/,
    ],
  ];
  test.each(changes)(
    'is what is wrong, and never the row, with %s; once it is mended the row is taken',
    async (_, change, undo, text) => {
      const deliver = workerOf(create());
      expect(await deliver(old)).toEqual({});
      await withChange(change, undo, async () => {
        for (let i = 0; i < 2; i++) {
          const error: unknown = await deliver(decisionRow(1)).catch((thrown: unknown) => thrown);
          expect(error).toMatchObject({ code: 'SINK_WRONG', message: expect.stringMatching(text) });
          expect((error as HeadraceError).message).not.toContain('secret');
        }
        // A worker that has seen nothing yet finds the row that the table holds.
        await expect(workerOf(create())(decisionRow(1))).rejects.toMatchObject({
          code: 'SINK_WRONG',
          message: expect.stringContaining('it took before'),
        });
        expect(await count()).toBe(1);
      });
      expect(await deliver(decisionRow(1))).toEqual({});
      expect(await count()).toBe(2);
    },
  );

  test('lets a row be blamed alone, by the rows that this worker, or an earlier one, saw it take', async () => {
    const deliver = workerOf(create());
    expect(await deliver(old)).toEqual({});
    const reasons = await deliver(badRow);
    expect(reasons).toEqual({
      [badRow.eventKey]: expect.stringMatching(/SQLSTATE 22008|title of pipeline "orders" failed \(TypeError\)/),
    });
    expect(JSON.stringify(reasons)).not.toContain('secret');
    expect(await workerOf(create())(badRow)).toEqual(reasons);
    expect(await deliver(decisionRow(1), badRow, decisionRow(2))).toEqual(reasons);
    expect(await count(), 'a proof leaves nothing').toBe(3);
  });

  test('blames nobody while it has never taken a row', async () => {
    await expect(workerOf(create())(badRow)).rejects.toMatchObject({
      code: 'SINK_WRONG',
      message: expect.stringContaining('has taken none yet'),
    });
    expect(await count()).toBe(0);
  });
});

describe('the dashboard', () => {
  beforeEach(() => pool.query('truncate decisions, decision_minutes'));

  test('tells a constraint that somebody added from its own key', async () => {
    const deliver = workerOf(createDashboardSink({ pool }));
    await withChange(
      'alter table decisions add constraint once unique (event_id)',
      'alter table decisions drop constraint once',
      async () => {
        expect(await deliver(decisionRow(0))).toEqual({});
        expect(await deliver(decisionRow(0), decisionRow(1))).toEqual({});
        expect(await deliver(decisionRow(2, { eventId: 'order-0' }), decisionRow(3))).toEqual({
          [decisionRow(2).eventKey]: expect.stringContaining('SQLSTATE 23505, table decisions, constraint once'),
        });
      },
    );
    expect((await pool.query('select kafka_offset::int as o from decisions order by 1')).rows).toEqual([
      { o: 0 },
      { o: 1 },
      { o: 3 },
    ]);
  });

  test('is wrong in a database that has no form for a text, whatever row has it', async () => {
    const name = `latin_${process.pid}`;
    await pool.query(`create database ${name} encoding 'LATIN1' locale 'C' template template0`);
    // `createPool` refuses it when it begins.
    const latin = new pg.Pool({ connectionString: Object.assign(new URL(url), { pathname: `/${name}` }).href, max: 2 });
    try {
      await migrate(latin);
      const deliver = workerOf(createDashboardSink({ pool: latin }));
      expect(await deliver(decisionRow(0))).toEqual({});
      for (const odd of [{ eventId: 'zł€' }, { event: { note: '日本' } }, { why: '€' }]) {
        await expect(deliver(decisionRow(1, odd))).rejects.toMatchObject({
          code: 'SINK_WRONG',
          message: expect.stringMatching(/SQLSTATE 22\w{3}: .*encoding UTF8/),
        });
      }
    } finally {
      await latin.end();
      // One that the server still closes would be told of the drop, when nobody listens any more.
      await until(
        'its connections are closed',
        async () => (await pool.query('select 1 from pg_stat_activity where datname = $1', [name])).rowCount === 0,
      );
      await pool.query(`drop database ${name}`);
    }
  });
});
