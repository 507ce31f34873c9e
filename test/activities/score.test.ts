import { describe, expect, test } from 'vitest';
import { decodeDecisions } from '../../contracts/decisions-frame.ts';
import { HeadraceError } from '../../contracts/failures.ts';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import { decodeScored } from '../../contracts/scored-frame.ts';
import { paymentsPipeline } from '../live/payments.ts';
import { Rig, type RigOptions } from './rig.ts';

function rigWith(predict: RigOptions['model']['predict']) {
  const delivered: number[] = [];
  const rig = new Rig({
    pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] }),
    amounts: [1, 2, 3],
    model: { rowsMax: () => Promise.resolve(Infinity), predict },
    deliver: ({ rows }) => Promise.resolve(void delivered.push(...rows.map(({ offset }) => offset))),
    decideMs: 50,
  });
  return { rig, worker: rig.worker(), delivered };
}

const answers: RigOptions['model']['predict'] = (_pipeline, _features, rows) =>
  Promise.resolve({ version: '1', predictions: new Float32Array(rows) });

test('features come alone from their own step, the same ones', async () => {
  const { rig, worker } = rigWith(answers);
  const alone = await worker.extractFeatures();
  expect(decodeFeatures(alone).recordIndex).toHaveLength(3);
  expect(decodeScored(await rig.worker().score()).features).toEqual(alone);
});

describe('a score', () => {
  test('has features and decisions, and those are delivered', async () => {
    const { rig, worker, delivered } = rigWith(answers);
    const { features, decisions } = decodeScored(await worker.score());
    expect(decodeFeatures(features).recordIndex).toHaveLength(3);
    const { header } = decodeDecisions(decisions!);
    expect(header).toMatchObject({ model: { version: '1' }, outcomeCounts: { approve: 3 } });
    expect(await worker.deliver('dashboard', header.id)).toBe(3);
    expect(rig.historyReads).toBe(0);
    // The same from the history, in a worker that has seen none of it.
    Object.assign(rig.recorded, { features, decisions });
    expect(await rig.worker().deliver('dashboard', header.id)).toBe(3);
    expect(delivered).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test('does not wait for a model that is away or silent; the decisions have a step of their own then', async () => {
    const away = () => Promise.reject(new HeadraceError('MODEL_UNAVAILABLE', 'away'));
    // Until its call's deadline.
    const silent = () =>
      new Promise<never>((_, reject) =>
        setTimeout(() => reject(new HeadraceError('MODEL_UNAVAILABLE', 'silent')), 150),
      );
    for (const predict of [away, silent]) {
      let current: RigOptions['model']['predict'] = predict;
      const { worker } = rigWith((...of) => current(...of));
      const bytes = await worker.score();
      expect(decodeScored(bytes)).toEqual({ features: bytes });
      expect(decodeFeatures(bytes).recordIndex).toHaveLength(3);
      await expect(worker.infer()).rejects.toMatchObject({ type: 'MODEL_UNAVAILABLE' });
      current = answers;
      const { header } = decodeDecisions(await worker.infer());
      expect(await worker.deliver('dashboard', header.id)).toBe(3);
    }
  });

  test('shares the decisions that are under way, or came too late, with the step of their own: the model is asked once', async () => {
    const calls: (() => void)[] = [];
    const slow: RigOptions['model']['predict'] = (_pipeline, _features, rows) =>
      new Promise((resolve) => calls.push(() => resolve({ version: '1', predictions: new Float32Array(rows) })));
    const { rig, worker, delivered } = rigWith(slow);
    expect(decodeScored(await worker.score())).not.toHaveProperty('decisions');
    const infer = worker.infer();
    calls[0]!();
    const { id } = decodeDecisions(await infer).header;
    // Neither a repeated step, nor a repeated try of both, decides again.
    expect(decodeDecisions(await worker.infer()).header).toMatchObject({ id });
    expect(decodeDecisions(decodeScored(await worker.score()).decisions!).header).toMatchObject({ id });
    expect(calls).toHaveLength(1);
    expect(await worker.deliver('dashboard', id)).toBe(3);
    expect(delivered).toEqual([0, 1, 2]);
    expect(rig.historyReads).toBe(0);
  });
});
