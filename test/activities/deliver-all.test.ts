import { expect, test } from 'vitest';
import { deadLettersTarget } from '../../contracts/names.ts';
import { HeadraceError } from '../../contracts/failures.ts';
import { paymentsPipeline } from '../live/payments.ts';
import { Rig, type FakeDeliver } from './rig.ts';

/** Two sinks: the dashboard takes what it gets, the other one does what `decisions` says. */
function rigOf(decisions: FakeDeliver, quickMs?: number) {
  const taken: (string | undefined)[] = [];
  const rig = new Rig({
    pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard', 'decisions'] }),
    amounts: [1, 2, 3],
    quickMs,
    model: {
      rowsMax: () => Promise.resolve(Infinity),
      predict: (_pipeline, _features, rows) =>
        Promise.resolve({
          version: '1',
          predictions: Float32Array.from({ length: rows }, (_, row) => (row === 1 ? Number.NaN : 0)),
        }),
    },
    async deliver(delivery, signal, sink) {
      if (sink === 'decisions') await decisions(delivery, signal, sink);
      taken.push(sink);
    },
  });
  return { rig, taken };
}
const targets = ['dashboard', 'decisions', deadLettersTarget];

test('every target takes its rows in one step', async () => {
  const { rig, taken } = rigOf(() => Promise.resolve());
  const { worker, decisions } = await rig.score();
  expect(decisions.header).toMatchObject({ rejectedCount: 1 });
  expect(await worker.deliverAll(targets, decisions.header.id)).toEqual({
    delivered: { dashboard: 2, decisions: 2, [deadLettersTarget]: 1 },
    missing: {},
  });
  expect(taken.toSorted((a, b) => a!.localeCompare(b!))).toEqual(['dashboard', 'decisions']);
  expect(rig.deadLetters.map(({ record }) => record.offset)).toEqual([1]);
});

test('a sink that fails is told with its reason, and holds up no other', async () => {
  const { rig } = rigOf(() => Promise.reject(new HeadraceError('SINK_UNAVAILABLE', 'the broker is away')));
  const { worker, decisions } = await rig.score();
  expect(await worker.deliverAll(targets, decisions.header.id)).toEqual({
    delivered: { dashboard: 2, [deadLettersTarget]: 1 },
    missing: { decisions: 'SINK_UNAVAILABLE: the broker is away' },
  });
});

test('a sink that takes too long goes on, and the durable step joins it', async () => {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let calls = 0;
  const { rig, taken } = rigOf(() => (calls++, ended), 50);
  const { worker, decisions } = await rig.score();
  expect(await worker.deliverAll(targets, decisions.header.id)).toEqual({
    delivered: { dashboard: 2, [deadLettersTarget]: 1 },
    missing: { decisions: 'it takes longer than 0.05 s' },
  });
  const durable = worker.deliver('decisions', decisions.header.id);
  end();
  expect(await durable).toBe(2);
  expect(calls).toBe(1);
  expect(taken).toEqual(['dashboard', 'decisions']);
});
