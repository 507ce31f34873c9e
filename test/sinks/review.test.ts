import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReviewInput } from '../../contracts/review.ts';
import { createReviewSink } from '../../sinks/review.ts';
import { createReviewStarter } from '../../sinks/temporal-reviews.ts';
import { startReviewRig, type ReviewRig } from '../workflows/review-rig.ts';
import { decisionRow, deliveryOf } from './rows.ts';

const policy = { verdicts: ['fraud', 'genuine'], timeoutMs: 60_000, title: (event: Record<string, unknown>) => `order ${String(event['orderId'])}` };
const signal = () => new AbortController().signal;

describe('review sink', () => {
  it('hands on what a reviewer needs', async () => {
    const started: ReviewInput[] = [];
    const sink = createReviewSink({ startReview: async (input) => void started.push(input) });
    const row = decisionRow(4, { outcome: 'review' });
    await sink.deliver(deliveryOf([row], { review: policy }), signal());
    expect(started).toEqual([
      {
        eventKey: row.eventKey, eventId: 'order-4', pipeline: 'orders', title: 'order order-4', outcome: 'review', why: row.why, entities: row.entities,
        eventTimeMs: row.eventTimeMs, verdicts: policy.verdicts, timeoutMs: 60_000,
      },
    ]);
  });

  it('starts every row once, and never more at a time than its limit', async () => {
    let running = 0;
    let runningMax = 0;
    const started = new Set<string>();
    const sink = createReviewSink({
      startsMax: 3,
      startReview: async ({ eventKey }) => {
        runningMax = Math.max(runningMax, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        started.add(eventKey);
      },
    });
    const rows = Array.from({ length: 20 }, (_, i) => decisionRow(i));
    await sink.deliver(deliveryOf(rows, { review: policy }), signal());
    expect([...started]).toEqual(rows.map((row) => row.eventKey));
    expect(runningMax).toBe(3);
  });

  it('asks for another try when a start fails or the signal aborts', async () => {
    const failing = createReviewSink({ startReview: () => Promise.reject(new Error('no frontend')) });
    await expect(failing.deliver(deliveryOf([decisionRow(0)], { review: policy }), signal())).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' });
    const aborted = createReviewSink({ startReview: () => Promise.resolve() });
    await expect(aborted.deliver(deliveryOf([decisionRow(0)], { review: policy }), AbortSignal.abort())).rejects.toMatchObject({ code: 'SINK_UNAVAILABLE' });
  });

  it('blames the row when the pipeline has no title for it, before it starts any', async () => {
    const started: ReviewInput[] = [];
    const sink = createReviewSink({ startReview: async (input) => void started.push(input) });
    const title = (event: Record<string, unknown>) => (event['shop'] as string).toUpperCase();
    const rows = [decisionRow(0, { event: { shop: 'a' } }), decisionRow(1, { event: {} })];
    await expect(sink.deliver(deliveryOf(rows, { review: { ...policy, title } }), signal())).rejects.toMatchObject({ code: 'SINK_REFUSED_ROW' });
    expect(started).toEqual([]);
  });
});

describe('review starter on Temporal', () => {
  let rig: ReviewRig;
  beforeAll(async () => {
    rig = await startReviewRig();
  }, 180_000);
  afterAll(() => rig?.close(), 60_000);

  it('opens one review per event, however often and however parallel it is delivered, also when it is closed already', async () => {
    const sink = createReviewSink({ startReview: createReviewStarter(rig.client, { taskQueue: rig.taskQueue }) });
    const delivery = deliveryOf(Array.from({ length: 5 }, (_, i) => decisionRow(i)), { review: policy });
    await Promise.all([sink.deliver(delivery, signal()), sink.deliver(delivery, signal())]);
    const handle = rig.client.workflow.getHandle(`review:${decisionRow(2).eventKey}`);
    await handle.signal('verdict', { verdict: 'fraud', reviewer: 'Ann' });
    await handle.result();
    await sink.deliver(delivery, signal());
    const runs = async () => (await rig.client.workflow.count(`HeadracePipeline = 'orders'`)).count;
    await expect.poll(runs).toBe(5);
    const { rows } = await rig.pool.query<{ id: string; status: string }>('select id, status from reviews order by event_key');
    expect(rows.map((row) => row.status)).toEqual(['open', 'open', 'decided', 'open', 'open']);
  });
});
