import { describe, expect, test } from 'vitest';
import { decodeDecisions } from '../../contracts/decisions-frame.ts';
import { HeadraceError, type FailureCode } from '../../contracts/failures.ts';
import type { Prediction } from '../../contracts/pipeline.ts';
import type { DecisionRow } from '../../contracts/delivery.ts';
import { paymentsPipeline, type Payment } from '../live/payments.ts';
import { Rig } from './rig.ts';

/** Returns the amount; fails, or answers what cannot be used, for amounts that say so. */
function fallback({ event }: { event: Payment }): Prediction {
  if (event.amount === -1) throw new TypeError('secret of the event');
  if (event.amount === -2) return { y: [1, 2] };
  if (event.amount === -3) return { y: Number.NaN };
  if (event.amount === -4) return {};
  return { y: event.amount };
}

function rigWith(code: FailureCode | undefined, amounts: readonly number[]) {
  const pipeline = paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] });
  const delivered: DecisionRow[] = [];
  const rig = new Rig({
    pipeline: { ...pipeline, model: { ...pipeline.model, fallback } },
    amounts,
    model: {
      rowsMax: () => Promise.resolve(Infinity),
      predict: (_pipeline, _features, rows) =>
        code
          ? Promise.reject(new HeadraceError(code, 'away'))
          : Promise.resolve({ version: '7', predictions: new Float32Array(rows) }),
    },
    deliver: ({ rows }) => Promise.resolve(void delivered.push(...rows)),
  });
  return { rig, delivered };
}

test('repeats what the run asked for, and nothing that it did not: the run may be of an older version', async () => {
  const { worker } = await rigWith(undefined, [5]).rig.score();
  expect(decodeDecisions(await worker.infer()).header).not.toHaveProperty('deliverTogether');
  expect(decodeDecisions(await worker.infer({ deliverTogether: true })).header).toMatchObject({
    deliverTogether: true,
  });
});

describe('the fallback', () => {
  test('decides while the model is away, and all it decides is marked degraded, in every sink', async () => {
    const { rig, delivered } = rigWith('MODEL_UNAVAILABLE', [5, 75_000, 80_000]);
    const { worker, decisions } = await rig.score();
    expect(decisions.header).toMatchObject({
      model: { name: 'linear', version: 'fallback' },
      degradedCount: 3,
      outcomeCounts: { approve: 1, review: 1, block: 1 },
      rejections: [],
    });
    expect([...decisions.degraded]).toEqual([1, 1, 1]);
    expect(await worker.deliver('dashboard', decisions.header.id)).toBe(3);
    expect(
      delivered.map(({ degraded, outcome, prediction, model }) => [degraded, outcome, prediction, model.version]),
    ).toEqual([
      [true, 'approve', { y: 5 }, 'fallback'],
      [true, 'review', { y: 75_000 }, 'fallback'],
      [true, 'block', { y: 80_000 }, 'fallback'],
    ]);
  });

  test('costs a row that it fails on, or answers in another form, a dead letter, and no neighbour anything', async () => {
    const { rig, delivered } = rigWith('MODEL_UNAVAILABLE', [1, -1, 2, -2, -3, 3, -4]);
    const { worker, decisions } = await rig.score();
    expect(decisions.header).toMatchObject({ degradedCount: 3, rejectedCount: 4, sinkCounts: { dashboard: 3 } });
    expect(decisions.header.rejections.map(({ index, step, code }) => [index, step, code])).toEqual(
      [1, 3, 4, 6].map((index) => [index, 'infer', 'BAD_PREDICTION']),
    );
    expect(decisions.header.rejections[0]!.reason).toBe('the fallback failed (TypeError)');
    expect(await worker.deliver('dashboard', decisions.header.id)).toBe(3);
    expect(delivered.map(({ offset, prediction }) => [offset, prediction])).toEqual([
      [0, { y: 1 }],
      [2, { y: 2 }],
      [5, { y: 3 }],
    ]);
    expect(await worker.deadLetter(decisions.header.id)).toBe(4);
    expect(rig.deadLetters.map(({ record }) => record.offset)).toEqual([1, 3, 4, 6]);
  });

  test('is not asked while the model answers', async () => {
    const { decisions } = await rigWith(undefined, [5, -1]).rig.score();
    expect(decisions.header).toMatchObject({ model: { version: '7' }, degradedCount: 0, rejections: [] });
    expect([...decisions.degraded]).toEqual([0, 0]);
  });

  test('stands in for a model that the server does not have, and it is reported why', async () => {
    const { rig } = rigWith('MODEL_MISSING', [5, 6]);
    const { decisions } = await rig.score();
    expect(decisions.header).toMatchObject({ model: { version: 'fallback' }, degradedCount: 2, rejections: [] });
    expect(rig.degraded).toEqual([[2, 'MODEL_MISSING', 'MODEL_MISSING: away']]);
  });

  test('does not hide that a model is wrong', async () => {
    await expect(rigWith('MODEL_WRONG', [5]).rig.score()).rejects.toMatchObject({
      type: 'MODEL_WRONG',
      nonRetryable: false,
    });
  });
});
