import { describe, expect, test } from 'vitest';
import { decodeDecisions } from '../../contracts/decisions-frame.ts';
import { HeadraceError } from '../../contracts/failures.ts';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import { decodeScored } from '../../contracts/scored-frame.ts';
import { paymentsPipeline } from '../live/payments.ts';
import { Rig, type RigOptions } from './rig.ts';

const asked = { decide: true, deliverTogether: true } as const;

function rigWith(predict: RigOptions['model']['predict']) {
  const delivered: number[] = [];
  const rig = new Rig({
    pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] }),
    amounts: [1, 2, 3],
    model: { rowsMax: () => Promise.resolve(Infinity), predict },
    deliver: ({ rows }) => Promise.resolve(void delivered.push(...rows.map(({ offset }) => offset))),
    decideMsMax: 50,
  });
  return { rig, worker: rig.worker(), delivered };
}

const answers: RigOptions['model']['predict'] = (_pipeline, _features, rows) => Promise.resolve({ version: '1', predictions: new Float32Array(rows) });

describe('features', () => {
  test('come alone when the run did not ask for decisions: it may be of an older version', async () => {
    const { worker } = rigWith(answers);
    for (const none of [undefined, { deliverTogether: true } as const]) {
      expect(decodeFeatures(await worker.extractFeatures(none)).recordIndex).toHaveLength(3);
    }
  });

  test('come with decisions when it asked, and those are delivered', async () => {
    const { rig, worker, delivered } = rigWith(answers);
    const { features, decisions } = decodeScored(await worker.extractFeatures(asked));
    expect(decodeFeatures(features).recordIndex).toHaveLength(3);
    const { header } = decodeDecisions(decisions!);
    expect(header).toMatchObject({ model: { version: '1' }, outcomeCounts: { approve: 3 }, deliverTogether: true });
    expect(await worker.deliver('dashboard', header.id)).toBe(3);
    expect(rig.historyReads).toBe(0);
    // The same from the history, in a worker that has seen none of it.
    Object.assign(rig.recorded, { features, decisions });
    expect(await rig.worker().deliver('dashboard', header.id)).toBe(3);
    expect(delivered).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test('do not wait for a model that is away or silent; the decisions have a step of their own then', async () => {
    const away = () => Promise.reject(new HeadraceError('MODEL_UNAVAILABLE', 'away'));
    const silent = () => new Promise<never>(() => {});
    for (const predict of [away, silent]) {
      let current: RigOptions['model']['predict'] = predict;
      const { worker } = rigWith((...of) => current(...of));
      const bytes = await worker.extractFeatures(asked);
      expect(decodeScored(bytes)).toEqual({ features: bytes });
      expect(decodeFeatures(bytes).recordIndex).toHaveLength(3);
      current = answers;
      const { header } = decodeDecisions(await worker.infer(asked));
      expect(await worker.deliver('dashboard', header.id)).toBe(3);
    }
  });

  test('let decisions that came too late change nothing: what is recorded is delivered', async () => {
    let answerLate: (() => void) | undefined;
    const { rig, worker, delivered } = rigWith((...of) => (answerLate ? answers(...of) : new Promise((resolve) => (answerLate = () => resolve({ version: 'late', predictions: new Float32Array(3).fill(80_000) })))));
    rig.recorded.features = await worker.extractFeatures(asked);
    rig.recorded.decisions = await worker.infer(asked);
    answerLate!();
    await new Promise((resolve) => setImmediate(resolve));
    const { header } = decodeDecisions(rig.recorded.decisions);
    expect(header.outcomeCounts).toEqual({ approve: 3 });
    expect(await worker.deliver('dashboard', header.id)).toBe(3);
    expect(rig.historyReads).toBe(1);
    expect(delivered).toEqual([0, 1, 2]);
  });
});
