import { describe, expect, test } from 'vitest';
import type { DeliveryCall } from '../../../sinks/policy/sink-breaker.ts';
import { examineRefusal, newSearch } from '../../../sinks/policy/examine-refusal.ts';
import { guardSink, type GuardedSink } from '../../../sinks/policy/sink-guard.ts';
import { HeadraceError } from '../../../contracts/failures.ts';
import type { Delivery } from '../../../contracts/delivery.ts';
import type { Sink } from '../../../sinks/port.ts';
import { until } from '../../live/wait.ts';
import { decisionRow, deliveryOf } from '../rows.ts';

const delivery = {} as Delivery;
const signal = new AbortController().signal;
const here = { pipeline: 'p', local: true, waitedMs: 0 };
const durable = { pipeline: 'p', local: false, waitedMs: 0 };

/** Admits and delivers, as activities do. */
async function tryOnce(guarded: GuardedSink, call: DeliveryCall, until = signal): Promise<void> {
  await guarded.admit(call).deliver(delivery, until);
}

function sinkOf(deliver: () => Promise<void>): Sink & { calls: number } {
  const sink = { name: 's', calls: 0, deliver: () => (sink.calls++, deliver()), close: () => Promise.resolve() };
  return sink;
}

describe('guardSink', () => {
  test('after failures in a row tries are refused at once, but for one at a time that tests the sink; a success closes the breaker', async () => {
    let up = false;
    let nowMs = 0;
    const states: boolean[] = [];
    const sink = sinkOf(() => (up ? Promise.resolve() : Promise.reject(new HeadraceError('SINK_UNAVAILABLE', 'down'))));
    const guarded = guardSink(sink, {
      deliveriesMax: 4,
      openMs: 10,
      nowMs: () => nowMs,
      onBreaker: (_, open) => states.push(open),
    });
    for (let i = 0; i < 3; i++) await expect(tryOnce(guarded, here)).rejects.toThrow('down');
    for (const call of [here, durable]) {
      await expect(tryOnce(guarded, call)).rejects.toThrow(
        'SINK_UNAVAILABLE: sink "s" failed 3 times in a row, and its breaker is open: down',
      );
    }
    expect(sink.calls).toBe(3);
    for (const call of [here, durable]) {
      nowMs += 10;
      const tests = [1, 2].map(() => tryOnce(guarded, call));
      await expect(tests[0]).rejects.toThrow('SINK_UNAVAILABLE: down');
      await expect(tests[1]).rejects.toThrow('breaker');
    }
    expect(sink.calls).toBe(5);
    nowMs += 10;
    up = true;
    await tryOnce(guarded, durable);
    await Promise.all([tryOnce(guarded, here), tryOnce(guarded, durable)]);
    expect(states).toEqual([true, false]);
  });

  test('a durable try that is refused comes back after as long as the sink has been away or the batch has waited, within bounds', async () => {
    let nowMs = 5_000;
    const guarded = guardSink(
      sinkOf(() => Promise.reject(new Error('down'))),
      { deliveriesMax: 4, openMs: 1e9, nowMs: () => nowMs },
    );
    for (let i = 0; i < 3; i++) await expect(tryOnce(guarded, durable)).rejects.toThrow('down');
    const retryAfterMs = async (waitedMs: number) => {
      const error: unknown = await tryOnce(guarded, { ...durable, waitedMs }).catch((thrown: unknown) => thrown);
      return (error as HeadraceError).retryAfterMs;
    };
    expect(await retryAfterMs(0)).toBe(1_000);
    nowMs += 30_000;
    expect(await retryAfterMs(0)).toBe(30_000);
    expect(await retryAfterMs(45_000)).toBe(45_000);
    expect(await retryAfterMs(1e7)).toBe(120_000);
    nowMs += 1e7;
    expect(await retryAfterMs(0)).toBe(60_000);
  });

  test('a test that hangs holds up no other one, and one that was given up neither', async () => {
    let nowMs = 0;
    let hangs = false;
    const sink = sinkOf(() => (hangs ? new Promise(() => {}) : Promise.reject(new Error('down'))));
    const guarded = guardSink(sink, { deliveriesMax: 4, openMs: 10, testMs: 100, nowMs: () => nowMs });
    for (let i = 0; i < 3; i++) await expect(tryOnce(guarded, durable)).rejects.toThrow('down');
    hangs = true;
    nowMs += 10;
    void tryOnce(guarded, durable);
    expect(() => guarded.admit(durable)).toThrow('breaker');
    nowMs += 100;
    // Admitted, and then its batch could not be loaded.
    guarded.admit(durable);
    expect(() => guarded.admit(durable)).toThrow('breaker');
    hangs = false;
    nowMs += 100;
    await expect(tryOnce(guarded, durable)).rejects.toThrow('down');
    expect(sink.calls).toBe(5);
  });

  test('what fails for one pipeline refuses no try of another', async () => {
    const states: [string, boolean][] = [];
    const sink: Sink = {
      name: 's',
      deliver: ({ batch }) =>
        batch.pipeline === 'broken' ? Promise.reject(new Error('no such topic')) : Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const guarded = guardSink(sink, {
      deliveriesMax: 4,
      openMs: 1e9,
      onBreaker: (pipeline, open) => states.push([pipeline, open]),
    });
    const deliver = (pipeline: string, local: boolean) =>
      guarded.admit({ pipeline, local, waitedMs: 0 }).deliver({ batch: { pipeline } } as Delivery, signal);
    for (let i = 0; i < 3; i++) await expect(deliver('broken', true)).rejects.toThrow('no such topic');
    for (const local of [true, false]) {
      expect(() => deliver('broken', local)).toThrow('no such topic');
      await deliver('sound', local);
    }
    expect(states).toEqual([['broken', true]]);
  });

  test('what waits for its turn is refused when those before find the sink away', async () => {
    const ends: ((error: Error) => void)[] = [];
    const sink = sinkOf(
      () =>
        new Promise((_, reject) => {
          ends.push(reject);
        }),
    );
    const guarded = guardSink(sink, { deliveriesMax: 1, failuresMax: 1, openMs: 1e9 });
    const [first, ...others] = [1, 2, 3].map(() => tryOnce(guarded, durable));
    ends[0]!(new Error('down'));
    await expect(first).rejects.toThrow('down');
    for (const other of others) await expect(other).rejects.toThrow('breaker is open: down');
    expect(sink.calls).toBe(1);
  });

  test('a test that has to wait for its turn is made, though what was before it fails', async () => {
    let nowMs = 0;
    let up = false;
    const ends: ((error: Error) => void)[] = [];
    const sink = sinkOf(() =>
      up
        ? Promise.resolve()
        : new Promise((_, reject) => {
            ends.push(reject);
          }),
    );
    const guarded = guardSink(sink, { deliveriesMax: 1, failuresMax: 1, openMs: 10, nowMs: () => nowMs });
    const busy = tryOnce(guarded, durable);
    guarded.admit(durable).failed(new Error('down'));
    nowMs += 10;
    const tested = tryOnce(guarded, durable);
    expect(() => guarded.admit(durable)).toThrow('breaker');
    up = true;
    ends[0]!(new Error('down'));
    await expect(busy).rejects.toThrow('down');
    await tested;
    expect(sink.calls).toBe(2);
    await tryOnce(guarded, here);
  });

  test('what hangs for one pipeline takes no place and no turn of another', async () => {
    const sink: Sink = {
      name: 's',
      deliver: ({ batch }) => (batch.pipeline === 'hangs' ? new Promise(() => {}) : Promise.resolve()),
      close: () => Promise.resolve(),
    };
    const guarded = guardSink(sink, { deliveriesMax: 2, waitingMax: 2, quickMs: 1e9 });
    const deliver = (pipeline: string, local: boolean) =>
      guarded.admit({ pipeline, local, waitedMs: 0 }).deliver({ batch: { pipeline } } as Delivery, signal);
    for (let i = 0; i < 4; i++) void deliver('hangs', false);
    for (const local of [true, false]) {
      expect(() => guarded.admit({ pipeline: 'hangs', local, waitedMs: 0 })).toThrow(
        '2 deliveries of this pipeline under way, the most allowed',
      );
      await deliver('sound', local);
    }
  });

  test('what fails after a success that it did not see says nothing', async () => {
    const states: boolean[] = [];
    const ends: ((error?: Error) => void)[] = [];
    const guarded = guardSink(
      sinkOf(
        () =>
          new Promise((resolve, reject) => {
            ends.push((error) => (error ? reject(error) : resolve()));
          }),
      ),
      { deliveriesMax: 9, failuresMax: 2, onBreaker: (_, open) => states.push(open) },
    );
    const tries = [1, 2, 3].map(() => tryOnce(guarded, durable));
    ends[0]!();
    await tries[0];
    for (const i of [1, 2]) {
      ends[i]!(new Error('late'));
      await expect(tries[i]).rejects.toThrow('late');
    }
    guarded.admit(here);
    guarded.admit(durable);
    expect(states).toEqual([]);
  });

  test('so many durable tries wait for their turn, in order; further ones come again later', async () => {
    const ends: (() => void)[] = [];
    const order: number[] = [];
    const guarded = guardSink(
      sinkOf(
        () =>
          new Promise((resolve) => {
            ends.push(resolve);
          }),
      ),
      { deliveriesMax: 2, waitingMax: 2 },
    );
    const givenUp = new AbortController();
    const tries = [1, 2, 3, 4].map((i) =>
      tryOnce(guarded, durable, i === 3 ? givenUp.signal : signal).then(() => order.push(i)),
    );
    const refused: unknown = await tryOnce(guarded, { ...durable, waitedMs: 7_000 }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      message: expect.stringContaining(
        'has 2 deliveries of this pipeline under way, the most allowed, and 2 waiting',
      ) as string,
      retryAfterMs: 7_000,
    });
    givenUp.abort(new Error('gave up'));
    await expect(tries[2]).rejects.toThrow('gave up');
    const fifth = tryOnce(guarded, durable).then(() => order.push(5));
    for (let i = 0; i < 4; i++) {
      await until('the next', () => ends.length > i, { everyMs: 1, timeoutMs: 5_000 });
      ends[i]!();
    }
    await Promise.all([tries[0], tries[1], tries[3], fifth]);
    expect(order).toEqual([1, 2, 4, 5]);
  });

  test('a sink that is only too slow for quick tries takes durable ones', async () => {
    const ends: (() => void)[] = [];
    let open = false;
    const guarded = guardSink(
      sinkOf(
        () =>
          new Promise((resolve) => {
            ends.push(resolve);
          }),
      ),
      { deliveriesMax: 9, quickMs: 1, openMs: 1e9, failuresMax: 1, onBreaker: (_, now) => (open = now) },
    );
    const slow = tryOnce(guarded, here);
    await until('the breaker', () => open, { everyMs: 1, timeoutMs: 5_000 });
    await expect(tryOnce(guarded, here)).rejects.toThrow('breaker');
    const durables = [1, 2].map(() => tryOnce(guarded, durable));
    for (const end of ends) end();
    await Promise.all([slow, ...durables]);
  });

  test('a sink that hangs opens the breaker before its deliveries end, and one that ends well closes it', async () => {
    const ends: (() => void)[] = [];
    const states: boolean[] = [];
    const guarded = guardSink(
      sinkOf(
        () =>
          new Promise((resolve) => {
            ends.push(resolve);
          }),
      ),
      { deliveriesMax: 9, quickMs: 5, onBreaker: (_, open) => states.push(open) },
    );
    const hanging = [1, 2, 3].map(() => tryOnce(guarded, here));
    await until('the breaker', () => states.length > 0, { everyMs: 1, timeoutMs: 5_000 });
    await expect(tryOnce(guarded, here)).rejects.toThrow('breaker');
    for (const end of ends) end();
    await Promise.all(hanging);
    expect(states).toEqual([true, false]);
  });

  test('what content is to blame for does not open the breaker', async () => {
    const guarded = guardSink(
      sinkOf(() => Promise.reject(new HeadraceError('SINK_REFUSED_ROW', 'row'))),
      { deliveriesMax: 4 },
    );
    for (let i = 0; i < 5; i++) await expect(tryOnce(guarded, here)).rejects.toThrow('row');
  });

  test('a test that ends with a row to blame closes the breaker, and one that ends with a wrong sink does not', async () => {
    let nowMs = 0;
    let answer: 'away' | 'refuses the row' | 'refuses all' = 'away';
    const states: boolean[] = [];
    const [known, refused] = [deliveryOf([decisionRow(1)]), deliveryOf([decisionRow(2)])];
    const sink: Sink = {
      name: 's',
      deliver: ({ rows }) => {
        if (answer === 'away') return Promise.reject(new Error('away'));
        if (answer === 'refuses the row' && rows[0]!.offset === 1) return Promise.resolve();
        return Promise.reject(new HeadraceError('SINK_REFUSED_ROW', 'row'));
      },
      close: () => Promise.resolve(),
    };
    const onBreaker = (_: string, open: boolean) => states.push(open);
    const guarded = guardSink(sink, { deliveriesMax: 4, openMs: 10, nowMs: () => nowMs, onBreaker });
    const examine = async () => {
      const admitted = guarded.admit(durable);
      await expect(admitted.deliver(refused, signal)).rejects.toThrow('SINK_REFUSED_ROW');
      const evidence = { known, accepted: 1, blamedInARow: 0 };
      return examineRefusal({ sink: 's', admitted, delivery: refused, evidence, search: newSearch('row'), signal });
    };
    for (let i = 0; i < 3; i++) await expect(tryOnce(guarded, here)).rejects.toThrow('away');
    nowMs += 10;
    answer = 'refuses all';
    await expect(examine()).rejects.toThrow('SINK_WRONG');
    expect(() => guarded.admit(durable)).toThrow('breaker');
    nowMs += 10;
    answer = 'refuses the row';
    expect([...(await examine()).values()]).toEqual(['row']);
    expect(states).toEqual([true, false]);
    for (const call of [here, here, durable, durable]) guarded.admit(call);
  });

  test('at the limit a quick try is refused, and a durable one waits its turn or for its signal', async () => {
    let finish = () => {};
    const sink = sinkOf(
      () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
    );
    const guarded = guardSink(sink, { deliveriesMax: 1 });
    const first = tryOnce(guarded, durable);
    await expect(tryOnce(guarded, here)).rejects.toThrow('the most allowed');
    const givenUp = new AbortController();
    const second = tryOnce(guarded, durable, givenUp.signal);
    const third = tryOnce(guarded, durable);
    givenUp.abort(new Error('gave up'));
    await expect(second).rejects.toThrow('gave up');
    await expect(tryOnce(guarded, durable, givenUp.signal)).rejects.toThrow('gave up');
    finish();
    await first;
    await until('the third', () => sink.calls === 2, { everyMs: 1, timeoutMs: 5_000 });
    finish();
    await third;
  });
});
