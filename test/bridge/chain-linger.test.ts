import { expect, test } from 'vitest';
import { Linger } from '../../bridge/linger.ts';
import { until } from '../live/wait.ts';
import { fetchOf, instantClock, recordAt } from './fakes.ts';
import { chainRig, positionIs } from './chain-rig.ts';

/** A chain with one record, whose batch lingers until something ends that. */
async function lingering() {
  const waits: number[] = [];
  const clock = {
    ...instantClock,
    sleep: (ms: number, signal?: AbortSignal) => {
      waits.push(ms);
      return new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
    },
  };
  const rig = chainRig({ linger: new Linger(clock, 500, 1) });
  const chain = await rig.running();
  chain.fetched(fetchOf(0, [recordAt(0)]));
  await until('it lingers', () => waits.length > 0, { everyMs: 1 });
  return { ...rig, chain, waits };
}

test('records that come meanwhile go along, and the batch starts as soon as they fill it', async () => {
  const { chain, starter, waits } = await lingering();
  chain.fetched(fetchOf(1, [recordAt(1)]));
  expect(starter.starts).toEqual([]);
  chain.fetched(fetchOf(2, [recordAt(2), recordAt(3)]));
  await positionIs(chain, 4);
  expect(starter.starts).toMatchObject([{ ranges: [{ position: 0, end: 4, count: 4 }] }]);
  expect(waits).toEqual([500]);
});

test('a chain that is drained starts no batch that lingers, and does not wait for it', async () => {
  const { chain, starter } = await lingering();
  await chain.drain();
  expect(starter.starts).toEqual([]);
});

test('nor does one that is given away', async () => {
  const { chain, starter } = await lingering();
  await chain.abandon();
  expect(starter.starts).toEqual([]);
});
