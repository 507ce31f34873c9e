import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { HeadraceError } from '../../contracts/failures.ts';
import { MemoryStore } from '../../features/index.ts';
import { paymentsPipeline } from '../live/payments.ts';
import { until } from '../live/wait.ts';
import { Rig, type FakeDeliver, type RigOptions } from './rig.ts';

const model: RigOptions['model'] = {
  rowsMax: () => Promise.resolve(Infinity),
  predict: (_pipeline, _features, rows) => Promise.resolve({ version: '1', predictions: new Float32Array(rows) }),
};
const rigOf = (amounts: readonly number[], deliver: FakeDeliver, deliveriesMax?: number) =>
  new Rig({
    pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] }),
    amounts,
    model,
    deliver,
    deliveriesMax,
  });

/** A sink that keeps rows by offset, all of a call or none, and refuses calls with an amount that `refuse` says. */
function keepingSink(refuse: (amount: number) => boolean) {
  const kept = new Map<number, number>();
  const calls: number[] = [];
  const deliver: FakeDeliver = ({ rows }) => {
    calls.push(rows.length);
    if (rows.some(({ event }) => refuse(event['amount'] as number)))
      return Promise.reject(new HeadraceError('SINK_REFUSED_ROW', 'SQLSTATE 23514'));
    for (const { offset, event } of rows) kept.set(offset, event['amount'] as number);
    return Promise.resolve();
  };
  return { kept, calls, deliver };
}

describe('rows that a sink refuses', () => {
  test('get dead letters, also when they fill a whole half, and all their neighbours are delivered', async () => {
    // The first half is refused altogether, and one row of the second: only all of them together would speak against the sink.
    const amounts = [-1, -2, -3, -4, 5, 6, -7, 8];
    const sink = keepingSink((amount) => amount < 0);
    const rig = rigOf(amounts, sink.deliver);
    const { worker, decisions } = await rig.score();
    expect(await worker.deliver('dashboard', decisions.header.id)).toBe(3);
    expect([...sink.kept]).toEqual([
      [4, 5],
      [5, 6],
      [7, 8],
    ]);
    expect(
      rig.deadLetters.map(({ record, rejection }) => [record.offset, rejection.index, rejection.step, rejection.code]),
    ).toEqual([0, 1, 2, 3, 6].map((offset) => [offset, offset, 'deliver', 'SINK_REFUSED_ROW']));
    expect(rig.deliveries).toEqual(['ok']);
  });

  test('are told from those at the same offset of another partition', async () => {
    const kept: number[] = [];
    const rig = new Rig({
      pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] }),
      amounts: [10, 11, 12],
      amounts1: [20, -21, 22],
      model,
      deliver: ({ rows }) => {
        const amounts = rows.map(({ event }) => event['amount'] as number);
        if (amounts.some((amount) => amount < 0))
          return Promise.reject(new HeadraceError('SINK_REFUSED_ROW', 'SQLSTATE 23514'));
        kept.push(...amounts);
        return Promise.resolve();
      },
    });
    const { worker, decisions } = await rig.score();
    expect(await worker.deliver('dashboard', decisions.header.id)).toBe(5);
    expect(new Set(kept)).toEqual(new Set([10, 11, 12, 20, 22]));
    expect(rig.deadLetters.map(({ record, rejection }) => [record.partition, record.offset, rejection.index])).toEqual([
      [1, 1, 4],
    ]);
  });

  test('speak against the sink when they are all there is: nothing is drained, and it is tried again', async () => {
    let isWrong = true;
    const sink = keepingSink(() => isWrong);
    const rig = rigOf([1, 2, 3, 4], sink.deliver);
    const { worker, decisions } = await rig.score();
    await expect(worker.deliver('dashboard', decisions.header.id)).rejects.toMatchObject({
      type: 'SINK_WRONG',
      nonRetryable: false,
      message: expect.stringContaining(
        'sink "dashboard" refuses all rows of a batch, and has taken none yet that could show whose fault it is, so the sink is what is wrong: SQLSTATE 23514',
      ) as string,
    });
    expect(rig.deadLetters).toEqual([]);
    isWrong = false;
    expect(await worker.deliver('dashboard', decisions.header.id)).toBe(4);
    expect(sink.kept.size).toBe(4);
    expect(rig.deadLetters).toEqual([]);
    expect(rig.deliveries).toEqual(['failed', 'ok']);
  });

  test('of every batch open the breaker, so that what waits is not halved again and again', async () => {
    const sink = keepingSink(() => true);
    const rig = rigOf([1, 2, 3, 4], sink.deliver);
    const { worker, decisions } = await rig.score();
    for (let i = 0; i < 3; i++)
      await expect(worker.deliver('dashboard', decisions.header.id)).rejects.toThrow('refuses all');
    const calls = sink.calls.length;
    await expect(worker.deliver('dashboard', decisions.header.id)).rejects.toThrow(
      'breaker is open: sink "dashboard" refuses all rows of a batch',
    );
    expect(sink.calls).toHaveLength(calls);
  });

  test('are found in about as many calls as halving takes', async () => {
    const sink = keepingSink((amount) => amount === 300);
    const rig = rigOf(
      Array.from({ length: 512 }, (_, i) => i),
      sink.deliver,
    );
    const { worker, decisions } = await rig.score();
    expect(await worker.deliver('dashboard', decisions.header.id)).toBe(511);
    expect(rig.deadLetters.map(({ record }) => record.offset)).toEqual([300]);
    // Once more for the whole, and thrice for the row itself with two proofs.
    expect(sink.calls.length).toBeLessThanOrEqual(1 + 2 * Math.log2(512) + 6);
  });

  test('are found in bounded tries, each of which goes on where the last one stopped', async () => {
    const isBad = (amount: number) => amount % 50 === 49;
    const sink = keepingSink(isBad);
    const rig = rigOf(
      Array.from({ length: 16_000 }, (_, i) => i),
      sink.deliver,
    );
    const { worker, decisions } = await rig.score();
    let tries = 1;
    for (; ; tries++) {
      const before = sink.calls.length;
      const rows = await worker.deliver('dashboard', decisions.header.id).catch((error: unknown) => {
        expect(error).toMatchObject({
          type: 'SINK_UNAVAILABLE',
          message: expect.stringContaining('the next try looks for the others') as string,
        });
      });
      expect(sink.calls.length - before).toBeLessThanOrEqual(513);
      if (rows !== undefined) break;
      expect(rig.deadLetters).toEqual([]);
    }
    expect(tries).toBeLessThan(15);
    expect(rig.deadLetters.map(({ record }) => record.offset)).toEqual(
      Array.from({ length: 320 }, (_, i) => i * 50 + 49),
    );
    expect(sink.kept.size).toBe(16_000 - 320);
  });

  test('are not looked for while the sink is away', async () => {
    const calls: number[] = [];
    const rig = rigOf(
      [1, 2, 3, 4],
      ({ rows }) => (calls.push(rows.length), Promise.reject(new HeadraceError('SINK_UNAVAILABLE', 'away'))),
    );
    const { worker, decisions } = await rig.score();
    await expect(worker.deliver('dashboard', decisions.header.id)).rejects.toMatchObject({ type: 'SINK_UNAVAILABLE' });
    expect(calls).toEqual([4]);
  });
});

test('records that an earlier batch has decided are told by their places', async () => {
  const store = new MemoryStore();
  const seen: unknown[] = [];
  const rig = new Rig({
    pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] }),
    amounts: [10, 11, 12],
    amounts1: [20, 21, 22],
    model,
    store,
    deliver: ({ rows, duplicates }) =>
      Promise.resolve(void seen.push(duplicates, ...rows.map(({ partition, offset }) => [partition, offset]))),
  });
  const ranges = [{ partition: 1, position: 0, end: 2, count: 2, first: true as const }];
  await store.apply({ ...rig.batch, ranges, startId: 'earlier' }, ({ refusals }) => ({
    result: new Uint8Array(),
    watermarks: [{ watermarkMs: null }],
    states: new Map(),
    refusals,
    retentions: [],
  }));
  const { worker, decisions } = await rig.score();
  expect(await worker.deliver('dashboard', decisions.header.id)).toBe(4);
  expect(seen).toEqual([
    [
      { partition: 1, offset: 0 },
      { partition: 1, offset: 1 },
    ],
    [0, 0],
    [0, 1],
    [0, 2],
    [1, 2],
  ]);
});

describe('a row that is alone in its batch', () => {
  test('speaks against a sink that no longer takes what it took before', async () => {
    let isWrong = false;
    const sink = keepingSink(() => isWrong);
    const rig = rigOf([1], sink.deliver);
    const { worker, decisions } = await rig.score();
    expect(await worker.deliver('dashboard', decisions.header.id)).toBe(1);
    isWrong = true;
    for (let i = 0; i < 3; i++) {
      await expect(worker.deliver('dashboard', decisions.header.id)).rejects.toMatchObject({
        type: 'SINK_WRONG',
        nonRetryable: false,
        message: expect.stringContaining(
          'sink "dashboard" refuses a row that it took before, so the sink is what is wrong: SQLSTATE 23514',
        ) as string,
      });
    }
    expect(rig.deadLetters).toEqual([]);
  });
});

describe('a sink that is away', () => {
  test('is not loaded for: a try says when it comes again, by how long it has waited', async () => {
    let isAway = true;
    const rig = rigOf([1, 2], () =>
      isAway ? Promise.reject(new HeadraceError('SINK_UNAVAILABLE', 'away')) : Promise.resolve(),
    );
    const { decisions } = await rig.score();
    const worker = rig.worker();
    const deliver = (waitedMs: number) => worker.deliver('dashboard', decisions.header.id, false, waitedMs);
    for (let i = 0; i < 3; i++)
      await expect(deliver(0)).rejects.toMatchObject({ type: 'SINK_UNAVAILABLE', nextRetryDelay: undefined });
    const another = rig.worker();
    const readsBefore = rig.historyReads;
    await expect(deliver(90_000)).rejects.toMatchObject({
      type: 'SINK_UNAVAILABLE',
      nonRetryable: false,
      nextRetryDelay: 90_000,
      message: expect.stringContaining('its breaker is open: away') as string,
    });
    expect(rig.historyReads).toBe(readsBefore);
    isAway = false;
    expect(await another.deliver('dashboard', decisions.header.id)).toBe(2);
  });
});

describe('a worker that stops', () => {
  /** Hangs until its signal, and tells of it; delivers once it is quick. */
  function slowSink() {
    const sink = keepingSink(() => false);
    const state = { ...sink, isSlow: true, underWay: 0, givenUp: 0 };
    const deliver: FakeDeliver = async (delivery, signal) => {
      if (!state.isSlow) return sink.deliver(delivery, signal);
      state.underWay++;
      await new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => {
          state.givenUp++;
          reject(signal.reason as Error);
        }),
      );
    };
    return { state, deliver };
  }

  test('gives up deliveries under way, and the next worker makes them', async () => {
    const { state, deliver } = slowSink();
    const rig = rigOf([1, 2, 3], deliver);
    const stopping = new AbortController();
    const { worker, decisions } = await rig.score(rig.worker(stopping.signal));
    const quick = worker.deliver('dashboard', decisions.header.id, true);
    // The quick try has run out of time on the server's side; the durable one joins what is under way.
    const durable = worker.deliver('dashboard', decisions.header.id);
    await until('the delivery', () => state.underWay > 0, { everyMs: 1, timeoutMs: 5_000 });
    stopping.abort(new Error('the worker stops'));
    for (const given of [quick, durable])
      await expect(given).rejects.toMatchObject({ nonRetryable: false, message: 'the worker stops' });
    expect(state).toMatchObject({ underWay: 1, givenUp: 1 });
    expect(rig.deadLetters).toEqual([]);

    state.isSlow = false;
    expect(await rig.worker().deliver('dashboard', decisions.header.id)).toBe(3);
    expect([...state.kept]).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
    expect(rig.deliveries).toEqual(['failed', 'ok']);
  });

  test('lets no delivery begin that waited for its turn', async () => {
    const { state, deliver } = slowSink();
    const rig = rigOf([1], deliver, 0);
    const stopping = new AbortController();
    const { worker, decisions } = await rig.score(rig.worker(stopping.signal));
    const waiting = worker.deliver('dashboard', decisions.header.id);
    // All that comes before the wait is in memory: a turn of the event loop later it waits.
    await setImmediate();
    stopping.abort(new Error('the worker stops'));
    await expect(waiting).rejects.toThrow('the worker stops');
    expect(state.underWay).toBe(0);
  });

  test('keeps nothing of the deliveries that have ended in the signal of its end', async () => {
    const rig = rigOf([1], () => Promise.resolve());
    const { signal: stopping } = new AbortController();
    const { worker, decisions } = await rig.score(rig.worker(stopping));
    for (let i = 0; i < 20; i++) await worker.deliver('dashboard', decisions.header.id);
    // What AbortSignal.any makes of a signal is noted there by Node, and never removed.
    const dependants = Object.getOwnPropertySymbols(stopping).find(
      ({ description }) => description === 'kDependantSignals',
    );
    expect(
      (dependants && (stopping as unknown as Record<symbol, Set<unknown> | undefined>)[dependants]?.size) ?? 0,
    ).toBe(0);
    expect(getEventListeners(stopping, 'abort')).toHaveLength(1);
  });
});
