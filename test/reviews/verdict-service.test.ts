import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool, type Pool } from '../../database/pool.ts';
import { createVerdictService } from '../../reviews/verdict-service.ts';
import type { VerdictAnswer } from '../../temporal/verdicts.ts';
import { openDatabase } from '../database/open.ts';

const verdict = (id: string) => ({ id, verdict: 'fraud', reviewer: 'Ann' });
const accepted = (id: string): VerdictAnswer => ({ kind: 'accepted', accepted: { ...verdict(id), decidedAtMs: 0 } });

describe('verdict desk', () => {
  let pool: Pool;
  let url: string;
  beforeAll(async () => {
    ({ pool, url } = await openDatabase());
  }, 120_000);
  afterAll(() => pool?.end());

  it('sends one verdict at a time per review, and no more than its limit over all', async () => {
    const running = new Map<string, number>();
    let runningMax = 0;
    let perReviewMax = 0;
    const decide = createVerdictService({
      pool,
      verdictsMax: 3,
      sendVerdict: async (reviewId, { id }) => {
        running.set(reviewId, (running.get(reviewId) ?? 0) + 1);
        perReviewMax = Math.max(perReviewMax, running.get(reviewId)!);
        runningMax = Math.max(
          runningMax,
          [...running.values()].reduce((sum, count) => sum + count, 0),
        );
        await pool.query('select 1');
        running.set(reviewId, running.get(reviewId)! - 1);
        return accepted(id);
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => decide(`review:${i % 5}`, verdict(`v${i}`))),
    );
    expect(answers.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, i) => `v${i}`));
    expect(perReviewMax).toBe(1);
    expect(runningMax).toBeLessThanOrEqual(3);
    expect(runningMax).toBeGreaterThan(1);
  });

  it('works with a single connection, which it always gives back', async () => {
    const single = await createPool(url, { max: 1, applicationName: 'test' });
    try {
      let fail = true;
      const decide = createVerdictService({
        pool: single,
        sendVerdict: (_, { id }) => (fail ? Promise.reject(new Error('no frontend')) : Promise.resolve(accepted(id))),
      });
      const answers = await Promise.allSettled([1, 2, 3].map((i) => decide('review:1', verdict(`v${i}`))));
      expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      fail = false;
      expect(await decide('review:1', verdict('v4'))).toMatchObject({ id: 'v4' });
    } finally {
      await single.end();
    }
  });

  it('refuses when too many wait already, and goes on afterwards', async () => {
    let finish = (): void => undefined;
    const decide = createVerdictService({
      pool,
      verdictsMax: 1,
      waitingMax: 1,
      sendVerdict: async (_, { id }) => {
        await new Promise<void>((resolve) => (finish = resolve));
        return accepted(id);
      },
    });
    const first = decide('review:1', verdict('v1'));
    const second = decide('review:2', verdict('v2'));
    await expect(decide('review:3', verdict('v3'))).rejects.toMatchObject({ status: 503, kind: 'busy' });
    const settled = Promise.all([first, second]).then((answers) => answers.map(({ id }) => id));
    let ids: string[] | undefined;
    void settled.then((found) => (ids = found));
    await expect
      .poll(() => {
        finish();
        return ids;
      })
      .toEqual(['v1', 'v2']);
  });
});
