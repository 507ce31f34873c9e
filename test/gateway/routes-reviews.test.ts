import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool, type Pool } from '../../database/pool.ts';
import { countReviews } from '../../reviews/lists.ts';
import { addWaitingReviews } from '../../reviews/waiting.ts';
import type { GatewayApp } from '../../gateway/app.ts';
import { createVerdictSender, type SendVerdict } from '../../temporal/verdicts.ts';
import { reviewInput, startReviewRig, type ReviewRig } from '../workflows/review-rig.ts';
import { testGateway } from './rig.ts';

describe('/v1/reviews', () => {
  let rig: ReviewRig;
  let pool: Pool;
  let app: GatewayApp;
  beforeAll(async () => {
    rig = await startReviewRig();
    pool = await createPool(rig.databaseUrl, { max: 2, applicationName: 'gateway' });
    app = await testGateway({ pool, sendVerdict: createVerdictSender(rig.client) });
  }, 180_000);
  afterAll(async () => {
    await app?.close();
    await pool?.end();
    await rig?.close();
  }, 60_000);

  const path = (id: string) => `/v1/reviews/${encodeURIComponent(id)}`;
  const get = async (url: string) => (await app.inject(url)).json<Record<string, unknown>>();
  const decide = (id: string, body: unknown, gateway = app) =>
    gateway.inject({ method: 'POST', url: `${path(id)}/verdict`, payload: body as object });
  const opened = async (offset: number, parts = {}) => {
    const id = await rig.start(reviewInput(offset, parts));
    await expect.poll(() => app.inject(path(id)).then(({ statusCode }) => statusCode), { timeout: 10_000 }).toBe(200);
    return id;
  };

  it('knows nothing of another deployment that uses the same database', async () => {
    const input = reviewInput(90, { eventKey: 'other:orders:0:orders:0:90' });
    await addWaitingReviews(rig.pool, [{ input, value: 1 }]);
    const id = `review:${input.eventKey}`;
    expect((await app.inject(path(id))).statusCode).toBe(404);
    expect((await decide(id, { verdict: 'fraud', reviewer: 'Ann' })).statusCode).toBe(404);
    const lists = [await get('/v1/reviews?status=waiting'), await get('/v1/reviews?limit=200')] as {
      reviews: { id: string }[];
    }[];
    expect(lists.flatMap(({ reviews }) => reviews).map((review) => review.id)).not.toContain(id);
    expect(await countReviews(rig.pool, 'other', ['waiting'])).toEqual([{ pipeline: 'orders', count: 1 }]);
    expect(await countReviews(rig.pool, 'local', ['waiting'])).toEqual([]);
  });

  it('shows a review, takes its verdict, and shows that it was decided', async () => {
    const id = await opened(1);
    expect(await get(path(id))).toMatchObject({
      id,
      status: 'open',
      pipeline: 'orders',
      title: reviewInput(1).title,
      verdicts: ['fraud', 'genuine'],
      eventTime: '2025-10-09T08:53:20.000Z',
      links: { self: path(id), workflow: `http://127.0.0.1:8233/namespaces/test/workflows/${encodeURIComponent(id)}` },
    });
    const response = await decide(id, { verdict: 'fraud', reviewer: ' Ann ', comment: 'why not' });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({
      id,
      status: 'decided',
      decided: { verdict: 'fraud', reviewer: 'Ann', comment: 'why not' },
    });
    await rig.client.workflow.getHandle(id).result();
    expect(await get(path(id))).toMatchObject({
      status: 'decided',
      decided: response.json<{ decided: object }>().decided,
    });
  });

  it('tells a second reviewer who was first and when, and accepts the first one again, by its id or because it says the same', async () => {
    const id = await opened(2);
    const first = await decide(id, { verdict: 'genuine', reviewer: 'Ann', id: 'mine' });
    const second = await decide(id, { verdict: 'fraud', reviewer: 'Bob' });
    expect(second.statusCode).toBe(409);
    const { decided } = first.json<{ decided: { decidedAt: string } }>();
    expect(second.json()).toMatchObject({
      type: 'urn:headrace:problem:already-decided',
      detail: `decided as "genuine" by Ann at ${decided.decidedAt}`,
      decided: { verdict: 'genuine', reviewer: 'Ann', decidedAt: decided.decidedAt },
    });
    for (const same of [
      { verdict: 'genuine', reviewer: 'Ann', id: 'mine' },
      { verdict: 'genuine', reviewer: 'Ann' },
    ]) {
      const again = await decide(id, same);
      expect(again.statusCode).toBe(200);
      expect(again.json()).toEqual(first.json());
    }
    for (const other of [
      { verdict: 'fraud', reviewer: 'Ann' },
      { verdict: 'genuine', reviewer: 'Bob' },
      { verdict: 'genuine', reviewer: 'Ann', comment: 'on second thoughts' },
    ]) {
      expect((await decide(id, other)).statusCode).toBe(409);
    }
  });

  it('has one winner among a hundred reviewers at once; all others learn who it was', async () => {
    const id = await opened(3);
    const responses = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        decide(id, { verdict: i % 2 ? 'fraud' : 'genuine', reviewer: `reviewer ${i}` }),
      ),
    );
    const winners = responses.filter(({ statusCode }) => statusCode === 200);
    expect(winners).toHaveLength(1);
    const winner = winners[0]!.json<{ decided: object }>().decided;
    for (const response of responses.filter((each) => each !== winners[0])) {
      expect(response.statusCode).toBe(409);
      expect(response.json()).toMatchObject({ decided: winner });
    }
    expect(
      (await rig.pool.query(`select from review_audit where review_id = $1 and action = 'decided'`, [id])).rowCount,
    ).toBe(1);
  });

  it('has one winner when two gateways take verdicts', async () => {
    const otherPool = await createPool(rig.databaseUrl, { max: 1, applicationName: 'gateway' });
    const other = await testGateway({ pool: otherPool, sendVerdict: createVerdictSender(rig.client) });
    try {
      const id = await opened(4);
      const responses = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          decide(id, { verdict: 'fraud', reviewer: `reviewer ${i}` }, i % 2 ? app : other),
        ),
      );
      expect(responses.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([
        200,
        ...Array<number>(19).fill(409),
      ]);
    } finally {
      await other.close();
      await otherPool.end();
    }
  });

  it.each([
    ['an unknown verdict', { verdict: 'maybe', reviewer: 'Ann' }, 422, 'invalid-verdict', /one of fraud, genuine/],
    ['no reviewer', { verdict: 'fraud' }, 400, 'invalid-request', /body\.reviewer/],
    ['an empty reviewer', { verdict: 'fraud', reviewer: '  ' }, 400, 'invalid-request', /body\.reviewer/],
    [
      'a long comment',
      { verdict: 'fraud', reviewer: 'Ann', comment: 'x'.repeat(4_001) },
      400,
      'invalid-request',
      /body\.comment/,
    ],
  ])('refuses %s and leaves the review open', async (_, body, status, kind, detail) => {
    const id = await opened(5);
    const response = await decide(id, body);
    expect(response.statusCode).toBe(status);
    expect(response.json()).toMatchObject({
      type: `urn:headrace:problem:${kind}`,
      detail: expect.stringMatching(detail),
    });
    expect(await get(path(id))).toMatchObject({ status: 'open' });
  });

  it('answers 404 for an unknown review, and 409 for one that was ended without a verdict', async () => {
    for (const response of [
      await app.inject(path('review:none')),
      await decide('review:none', { verdict: 'fraud', reviewer: 'Ann' }),
    ]) {
      expect(response.statusCode).toBe(404);
      expect(response.json()).toMatchObject({ type: 'urn:headrace:problem:unknown-review' });
    }
    const id = await opened(6);
    await rig.client.workflow.getHandle(id).terminate();
    const response = await decide(id, { verdict: 'fraud', reviewer: 'Ann' });
    expect(response.statusCode).toBe(409);
    expect(response.json()).toMatchObject({ type: 'urn:headrace:problem:not-running' });
  });

  it('says that it does not know when Temporal does not answer, and takes the verdict once when it is sent again', async () => {
    const id = await opened(7);
    const real = createVerdictSender(rig.client);
    let lose = true;
    const lossy: SendVerdict = async (reviewId, verdict) => {
      const answer = await real(reviewId, verdict);
      if (lose) throw new Error('connection lost after the update');
      return answer;
    };
    const gateway = await testGateway({ pool, sendVerdict: lossy });
    try {
      const body = { verdict: 'fraud', reviewer: 'Ann', id: 'retry-me' };
      const first = await decide(id, body, gateway);
      expect(first.statusCode).toBe(503);
      expect(first.json()).toMatchObject({ type: 'urn:headrace:problem:verdict-unknown' });
      lose = false;
      expect((await decide(id, body, gateway)).statusCode).toBe(200);
      expect((await decide(id, { ...body, reviewer: 'Bob', id: 'other' }, gateway)).statusCode).toBe(409);
    } finally {
      await gateway.close();
    }
  });

  it('lists what waits to be opened, and takes no verdict on it yet', async () => {
    const input = reviewInput(8, { pipeline: 'later' });
    await addWaitingReviews(pool, [{ input, value: 1 }]);
    const id = `review:${input.eventKey}`;
    const { reviews } = (await get('/v1/reviews?pipeline=later&status=waiting')) as { reviews: object[] };
    expect(reviews).toEqual([expect.objectContaining({ id, status: 'waiting', links: { self: path(id) } })]);
    const response = await decide(id, { verdict: 'fraud', reviewer: 'Ann' });
    expect(response.statusCode).toBe(409);
    expect(response.json()).toMatchObject({ type: 'urn:headrace:problem:not-open' });
  });

  it('lists by status and pipeline, page by page, in the order of coming', async () => {
    for (let offset = 20; offset < 25; offset += 1) await opened(offset, { pipeline: 'listed' });
    const all = (await get('/v1/reviews?pipeline=listed')) as { reviews: { eventId: string }[]; nextCursor?: string };
    expect(all.reviews.map(({ eventId }) => eventId)).toEqual([
      'order-20',
      'order-21',
      'order-22',
      'order-23',
      'order-24',
    ]);
    expect(all.nextCursor).toBeUndefined();
    const seen: string[] = [];
    for (let url: string | undefined = '/v1/reviews?pipeline=listed&status=open&limit=2'; url; ) {
      const page = (await get(url)) as typeof all;
      expect(page.reviews.length).toBeLessThanOrEqual(2);
      seen.push(...page.reviews.map(({ eventId }) => eventId));
      url = page.nextCursor && `/v1/reviews?pipeline=listed&status=open&limit=2&cursor=${page.nextCursor}`;
    }
    expect(seen).toEqual(all.reviews.map(({ eventId }) => eventId));
    expect(await get('/v1/reviews?pipeline=listed&status=decided')).toEqual({ reviews: [] });
    for (const query of ['status=odd', 'limit=0', 'limit=201', 'cursor=%00']) {
      expect(await get(`/v1/reviews?${query}`)).toMatchObject({
        status: 400,
        type: 'urn:headrace:problem:invalid-request',
      });
    }
  });
});
