import { describe, expect, test } from 'vitest';
import { decodeDecisions } from '../../contracts/decisions-frame.ts';
import { HeadraceError, type FailureCode } from '../../contracts/failures.ts';
import type { AnyPipeline, Prediction } from '../../contracts/pipeline.ts';
import type { DecisionRow } from '../../contracts/delivery.ts';
import { paymentsPipeline, type Payment } from '../live/payments.ts';
import { Rig, type RigOptions } from './rig.ts';

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

describe('a function of the pipeline that fails on every event is what is wrong: nothing is drained, and the batch waits', () => {
  const answers: RigOptions['model'] = {
    rowsMax: () => Promise.resolve(Infinity),
    predict: (_pipeline, _features, rows) => Promise.resolve({ version: '7', predictions: new Float32Array(rows) }),
  };
  const away: RigOptions['model'] = {
    ...answers,
    predict: () => Promise.reject(new HeadraceError('MODEL_UNAVAILABLE', 'away')),
  };
  const base = paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] });
  const broken = () => {
    throw new TypeError('secret of the event');
  };
  const rigOf = (pipeline: AnyPipeline, amounts: readonly number[], model = answers) =>
    new Rig({ pipeline, amounts, model, deliver: () => Promise.resolve() });
  /** Fails on negative amounts. */
  const partly = (): AnyPipeline => ({
    ...base,
    decide: (input) => ((input.event as Payment).amount < 0 ? broken() : base.decide(input)),
  });

  test.each<[string, AnyPipeline, RigOptions['model']]>([
    ['decide', { ...base, decide: broken }, answers],
    ['decide', { ...base, decide: () => ({ outcome: 'nobody declared it', why: '' }) }, answers],
    ['model.fallback', { ...base, model: { ...base.model, fallback: broken } }, away],
    ['model.fallback', { ...base, model: { ...base.model, fallback: () => ({}) } }, away],
  ])('%s', async (name, pipeline, model) => {
    const rig = rigOf(pipeline, [1, 2], model);
    const worker = rig.worker();
    rig.recorded.features = await worker.extractFeatures();
    for (let i = 0; i < 3; i++) {
      await expect(worker.infer()).rejects.toMatchObject({
        type: 'PIPELINE_WRONG',
        message: expect.stringMatching(`"${name}" of pipeline "p" fails on all 2 events of a batch`) as string,
      });
      await expect(worker.infer()).rejects.not.toThrow('secret');
    }
    expect(rig.degraded).toEqual([]);
  });

  test('also when each event comes alone, after a few', async () => {
    const pipeline: AnyPipeline = { ...base, decide: broken };
    for (let i = 0; i < 8; i++)
      expect((await rigOf(pipeline, [1]).score()).decisions.header.rejections).toMatchObject([
        { code: 'BAD_DECISION' },
      ]);
    for (let i = 0; i < 2; i++)
      await expect(rigOf(pipeline, [1]).score()).rejects.toMatchObject({ type: 'PIPELINE_WRONG' });
  });

  test('one that accepts others blames the events, also those that are all of their batch', async () => {
    const pipeline = partly();
    expect(
      (await rigOf(pipeline, [-1, 2, -3]).score()).decisions.header.rejections.map(({ index, code }) => [index, code]),
    ).toEqual([
      [0, 'BAD_DECISION'],
      [2, 'BAD_DECISION'],
    ]);
    const rig = rigOf(pipeline, [-1, -2]);
    const worker = rig.worker();
    rig.recorded.features = await worker.extractFeatures();
    await expect(worker.infer()).rejects.toMatchObject({ type: 'PIPELINE_WRONG' });
    await rigOf(pipeline, [5]).score();
    expect(decodeDecisions(await worker.infer()).header.rejections).toHaveLength(2);
  });
});
