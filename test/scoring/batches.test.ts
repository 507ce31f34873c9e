import { beforeEach, describe, expect, test } from 'vitest';
import { decodeDecisions } from '../../contracts/decisions-frame.ts';
import type { DecisionRow } from '../../contracts/delivery.ts';
import { paymentsPipeline } from '../live/payments.ts';
import { Rig, type RigWorker } from '../activities/rig.ts';

describe('decisions of a run', () => {
  let rig: Rig;
  let worker: RigWorker;
  let delivered: DecisionRow[][];
  /** The id of what is recorded. The worker itself has computed another answer since. */
  let recordedId: string;
  let lateAnswer: Uint8Array;
  beforeEach(async () => {
    delivered = [];
    let calls = 0;
    rig = new Rig({
      pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] }),
      amounts: [1, 2, 3],
      // Another version answers each call: the model was changed between two tries.
      model: {
        rowsMax: () => Promise.resolve(Infinity),
        predict: (_pipeline, _features, rows) =>
          Promise.resolve({ version: String(++calls), predictions: new Float32Array(rows).fill(calls * 1_000) }),
      },
      deliver: ({ rows }) => Promise.resolve(void delivered.push([...rows])),
    });
    recordedId = (await rig.score()).decisions.header.id;
    // Another worker took the step up as well, and its answer was not recorded.
    worker = rig.worker();
    await worker.extractFeatures();
    lateAnswer = await worker.infer();
  });

  test('are those that the history holds, whatever the worker computed itself', async () => {
    expect(decodeDecisions(lateAnswer).header.id).not.toBe(recordedId);
    expect(await worker.deliver('dashboard', recordedId)).toBe(3);
    expect(
      delivered.map((rows) => rows.map(({ offset, model, prediction }) => [offset, model.version, prediction])),
    ).toEqual([[0, 1, 2].map((offset) => [offset, '1', { y: 1_000 }])]);
    expect(rig.historyReads).toBe(1);
  });

  test('are taken from memory when it has the right ones', async () => {
    rig.recorded.decisions = lateAnswer;
    expect(await worker.deliver('dashboard', decodeDecisions(lateAnswer).header.id)).toBe(3);
    expect(delivered[0]![0]!.model.version).toBe('2');
    expect(rig.historyReads).toBe(0);
  });

  test('are waited for while the history lacks them, and nothing is delivered meanwhile', async () => {
    const { decisions } = rig.recorded;
    for (const missing of [undefined, lateAnswer]) {
      rig.recorded.decisions = missing;
      await expect(worker.deliver('dashboard', recordedId)).rejects.toMatchObject({
        type: 'BATCH_UNKNOWN',
        nonRetryable: false,
      });
      await expect(worker.deadLetter(recordedId)).rejects.toMatchObject({ type: 'BATCH_UNKNOWN' });
    }
    expect(delivered).toEqual([]);
    rig.recorded.decisions = decisions;
    expect(await worker.deliver('dashboard', recordedId)).toBe(3);
    expect(delivered[0]![0]!.model.version).toBe('1');
  });

  test('are read once for all steps that wait for them in a new worker', async () => {
    const next = rig.worker();
    expect(await Promise.all([next.deliver('dashboard', recordedId), next.deadLetter(recordedId)])).toEqual([3, 0]);
    expect(rig.historyReads).toBe(1);
  });
});
