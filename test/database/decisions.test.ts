import { afterAll, beforeAll, expect, test } from 'vitest';
import { forgetDecisions } from '../../database/decisions.ts';
import type { Pool } from '../../database/pool.ts';
import { openDatabase } from './open.ts';

let pool: Pool;
beforeAll(async () => {
  ({ pool } = await openDatabase());
}, 180_000);
afterAll(() => pool?.end());

/** Adds decisions that were made so long ago, and a minute for each. */
async function addDecisions(deployment: string, amount: number, hoursOld: number): Promise<void> {
  await pool.query(
    `insert into decisions (event_key, pipeline, event_id, topic, partition, kafka_offset, event_time, entities, event, feature_set, features,
       prediction, model_name, model_version, degraded, late, outcome, why, workflow_id, decided_at)
     select $1::text || ':p:0:t:0:' || $3::int || n, 'p', n, 't', 0, n, now(), '{}', '{}', 1, '{}', '{}', 'm', '1', false, false, 'approve', '', 'w',
       now() - make_interval(hours => $3)
     from generate_series(1, $2::int) n`,
    [deployment, amount, hoursOld],
  );
  await pool.query(
    `insert into decision_minutes (deployment, pipeline, minute, outcome, model_version, decisions, degraded, late, counted_at)
     select $1, 'p', now() - make_interval(hours => $3) + make_interval(secs => n), 'approve', '1', 1, 0, 0, now() - make_interval(hours => $3)
     from generate_series(1, $2::int) n`,
    [deployment, amount, hoursOld],
  );
}

interface Plan {
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

const removedIn = ({ Plans = [], ...plan }: Plan): number =>
  (plan['Rows Removed by Filter'] ?? 0) + Plans.reduce((sum, each) => sum + removedIn(each), 0);

test('forgetting reads no old decision of another deployment, and none that is kept', async () => {
  await addDecisions('shop', 10, 5);
  await addDecisions('shop', 20_000, 0);
  await addDecisions('shop2', 20_000, 9);
  await addDecisions('other', 20_000, 9);
  await pool.query('analyze');
  const plans: Plan[] = [];
  const explaining = {
    query: async (text: string, values: unknown[]) => {
      const { rows } = await pool.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
        `explain (analyze, format json) ${text}`,
        values,
      );
      plans.push(rows[0]!['QUERY PLAN'][0]!.Plan);
      return { rowCount: 0 };
    },
  } as unknown as Pool;
  await forgetDecisions(explaining, 'shop', 3_600);
  expect(plans.map(removedIn)).toEqual([0, 0]);
  for (const table of ['decisions', 'decision_minutes']) {
    const own = table === 'decisions' ? `split_part(event_key, ':', 1)` : 'deployment';
    const { rows } = await pool.query(
      `select ${own} as deployment, count(*)::int as count from ${table} group by 1 order by 1`,
    );
    expect(rows).toEqual([
      { deployment: 'other', count: 20_000 },
      { deployment: 'shop', count: 20_000 },
      { deployment: 'shop2', count: 20_000 },
    ]);
  }
}, 120_000);
