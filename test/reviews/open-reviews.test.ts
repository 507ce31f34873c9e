import { getEventListeners } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { addWaitingReviews, claimWaitingReviews } from '../../reviews/waiting.ts';
import { createLogger } from '../../lib/log.ts';
import { openReviews } from '../../reviews/open-reviews.ts';
import { createReviewStarter, ReviewRefusedError, type StartReview } from '../../temporal/review-starter.ts';
import { reviewInput, startReviewRig, type ReviewRig } from '../workflows/review-rig.ts';

const log = createLogger('test', 'error');

describe('opening reviews', () => {
  let rig: ReviewRig;
  let pipelines = 0;
  let stopping = new AbortController();
  let opening: Promise<void> | undefined;
  beforeAll(async () => {
    rig = await startReviewRig();
  }, 180_000);
  afterEach(async () => {
    stopping.abort();
    await opening;
    stopping = new AbortController();
  });
  afterAll(() => rig?.close(), 60_000);

  /** A pipeline of the test's own, with reviews that wait; each is worth what the list says. */
  async function waiting(values: number[], review: object = {}): Promise<AnyPipeline> {
    const name = `shop${pipelines++}`;
    await addWaitingReviews(
      rig.pool,
      values.map((value, i) => ({
        value,
        input: { ...reviewInput(i, { pipeline: name }), eventKey: `local:${name}:0:orders:0:${i}` },
      })),
    );
    return { name, entities: { shop: () => '', customer: () => '' }, review } as unknown as AnyPipeline;
  }
  const statuses = async ({ name }: AnyPipeline) =>
    (
      await rig.pool.query<{ status: string }>('select status from reviews where pipeline = $1 order by ordinal', [
        name,
      ])
    ).rows.map(({ status }) => status);
  const start = (
    pipeline: AnyPipeline,
    startsPerSecond = 100,
    startReview: StartReview = createReviewStarter(rig.client, { taskQueue: rig.taskQueue, log }),
  ) => {
    opening = openReviews({
      deployment: 'local',
      pool: rig.pool,
      pipelines: [pipeline],
      startReview,
      startsPerSecond,
      log,
      stopping: stopping.signal,
    });
  };

  it('opens the most valuable ones, as many as the reviewers can take, and the next when one is decided', async () => {
    const pipeline = await waiting([1, 5, 3, 5], { openMax: 2 });
    start(pipeline);
    await expect.poll(() => statuses(pipeline), { timeout: 10_000 }).toEqual(['waiting', 'open', 'waiting', 'open']);
    await rig.client.workflow
      .getHandle(`review:local:${pipeline.name}:0:orders:0:1`)
      .signal('verdict', { verdict: 'fraud', reviewer: 'Ann' });
    await expect.poll(() => statuses(pipeline), { timeout: 10_000 }).toEqual(['waiting', 'decided', 'open', 'open']);
    await expect
      .poll(async () => (await rig.client.workflow.count(`HeadracePipeline = '${pipeline.name}'`)).count, {
        timeout: 10_000,
      })
      .toBe(3);
  });

  it('starts a review with what its row holds, its entities in the order of the pipeline', async () => {
    const pipeline = await waiting([1]);
    const started: unknown[] = [];
    start(pipeline, 100, async (input) => void started.push([input, Object.keys(input.entities)]));
    await expect.poll(() => started.length, { timeout: 10_000 }).toBe(1);
    expect(started[0]).toEqual([
      { ...reviewInput(0, { pipeline: pipeline.name }), eventKey: `local:${pipeline.name}:0:orders:0:0` },
      ['shop', 'customer'],
    ]);
  });

  it('goes on after Temporal was away, and opens what it could not open then a while later', async () => {
    const pipeline = await waiting([1, 1]);
    const real = createReviewStarter(rig.client, { taskQueue: rig.taskQueue, log });
    let failures = 0;
    start(pipeline, 1, (input, signal) =>
      failures++ === 0 ? Promise.reject(new Error('no frontend')) : real(input, signal),
    );
    await expect.poll(() => statuses(pipeline), { timeout: 15_000 }).toEqual(['waiting', 'open']);
    await rig.pool.query(`update reviews set not_before = now() where pipeline = $1`, [pipeline.name]);
    await expect.poll(() => statuses(pipeline), { timeout: 15_000 }).toEqual(['open', 'open']);
  });

  it('opens the neighbours of those that Temporal refuses, however many and valuable, and tries those again later', async () => {
    const pipeline = await waiting([1, 9, 9, 9, 9, 2]);
    const real = createReviewStarter(rig.client, { taskQueue: rig.taskQueue, log });
    let isMended = false;
    // Half of them as a request that is wrong, half as one that is never answered, which a server that is away looks like, too.
    start(pipeline, 2, (input, signal) => {
      const number = Number(input.eventKey.split(':').at(-1));
      if (isMended || number === 0 || number === 5) return real(input, signal);
      return Promise.reject(number % 2 === 0 ? new ReviewRefusedError('too large') : new Error('no answer'));
    });
    await expect
      .poll(() => statuses(pipeline), { timeout: 20_000 })
      .toEqual(['open', 'waiting', 'waiting', 'waiting', 'waiting', 'open']);
    const postponed = async () =>
      (
        await rig.pool.query(
          `select failures, claimed_at is null as free, not_before > now() as later from reviews where pipeline = $1 and value = 9`,
          [pipeline.name],
        )
      ).rows as unknown[];
    expect(await postponed()).toEqual(Array.from({ length: 4 }, () => ({ failures: 1, free: true, later: true })));
    isMended = true;
    await rig.pool.query(`update reviews set not_before = now() where pipeline = $1 and value = 9`, [pipeline.name]);
    await expect.poll(() => statuses(pipeline), { timeout: 20_000 }).toEqual(Array.from({ length: 6 }, () => 'open'));
  });

  it('tells a request that Temporal does not take from a server that is away', async () => {
    const starter = createReviewStarter(rig.client, { taskQueue: rig.taskQueue, log });
    const tooLong = { ...reviewInput(0), eventKey: 'k'.repeat(2_000) };
    await expect(starter(tooLong, new AbortController().signal)).rejects.toThrow(ReviewRefusedError);
    await expect(starter({ ...reviewInput(0), eventTimeMs: NaN }, new AbortController().signal)).rejects.toThrow(
      ReviewRefusedError,
    );
  });

  it('gives no review to two workers', async () => {
    const pipeline = await waiting(Array.from({ length: 40 }, () => 1));
    const claims = await Promise.all(
      Array.from({ length: 8 }, () =>
        claimWaitingReviews(rig.pool, { deployment: 'local', pipeline: pipeline.name, openMax: 1_000, claimMax: 5 }),
      ),
    );
    const keys = claims.flat().map(({ eventKey }) => eventKey);
    expect(keys.length).toBeGreaterThanOrEqual(5);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('leaves alone what belongs to another deployment of the same pipeline', async () => {
    const { name } = await waiting([1, 2]);
    await addWaitingReviews(rig.pool, [
      { value: 9, input: { ...reviewInput(0, { pipeline: name }), eventKey: `elsewhere:${name}:0:orders:0:0` } },
    ]);
    await rig.pool.query(
      `update reviews set status = 'open', opened_at = now(), due_at = now() where pipeline = $1 and event_key like 'elsewhere:%'`,
      [name],
    );
    const claim = (deployment: string, openMax: number) =>
      claimWaitingReviews(rig.pool, { deployment, pipeline: name, openMax, claimMax: 5 });
    expect((await claim('elsewhere', 5)).map(({ eventKey }) => eventKey)).toEqual([]);
    // The other one's open review takes none of our places.
    expect((await claim('local', 1)).map(({ eventKey }) => eventKey)).toEqual([`local:${name}:0:orders:0:1`]);
    expect(await claim('local', 1)).toEqual([]);
  });

  it('gives the most valuable first, and never more than was asked for', async () => {
    const { name } = await waiting(Array.from({ length: 30 }, (_, i) => i % 10));
    const claimed = await claimWaitingReviews(rig.pool, {
      deployment: 'local',
      pipeline: name,
      openMax: 100,
      claimMax: 4,
    });
    expect(claimed.map(({ eventId }) => eventId)).toEqual(['order-9', 'order-19', 'order-29', 'order-8']);
  });

  it('starts a review again whose run has ended though it was never opened', async () => {
    const pipeline = await waiting([1]);
    const id = `review:local:${pipeline.name}:0:orders:0:0`;
    // Nobody takes this task queue, so the run cannot open its review.
    await rig.client.workflow.start('review', { workflowId: id, taskQueue: 'nobody', args: [reviewInput(0)] });
    await rig.client.workflow.getHandle(id).terminate('test');
    start(pipeline);
    await expect.poll(() => statuses(pipeline), { timeout: 10_000 }).toEqual(['open']);
  });

  it('leaves nothing of a review that it opened in the signal of the worker', async () => {
    const pipeline = await waiting(Array.from({ length: 15 }, () => 1));
    start(pipeline);
    await expect.poll(() => statuses(pipeline), { timeout: 20_000 }).toEqual(Array.from({ length: 15 }, () => 'open'));
    // One for all the calls to Temporal together, one for the pause or the statement under way.
    expect(getEventListeners(stopping.signal, 'abort').length).toBeLessThanOrEqual(2);
  });

  it('ends when the worker stops, also while Postgres is silent', async () => {
    const pipeline = await waiting([]);
    opening = openReviews({
      deployment: 'local',
      pool: { query: () => new Promise(() => {}) } as never,
      pipelines: [pipeline],
      startReview: () => Promise.resolve(),
      startsPerSecond: 1,
      log,
      stopping: stopping.signal,
    });
    stopping.abort();
    await opening;
  });
});
