import { describe, expect, test } from 'vitest';
import { guardSink } from '../../activities/sink-guard.ts';
import { HeadraceError } from '../../contracts/failures.ts';
import type { Delivery, Sink } from '../../sinks/port.ts';
import { until } from '../live/wait.ts';

const delivery = {} as Delivery;
const signal = new AbortController().signal;
const here = { local: true, waitedMs: 0 };
const durable = { local: false, waitedMs: 0 };

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
    const guarded = guardSink(sink, { deliveriesMax: 4, openMs: 10, nowMs: () => nowMs, onBreaker: (open) => states.push(open) });
    for (let i = 0; i < 3; i++) await expect(guarded.deliver(delivery, here, signal)).rejects.toThrow('down');
    for (const call of [here, durable]) {
      await expect(guarded.deliver(delivery, call, signal)).rejects.toThrow('breaker is open: SINK_UNAVAILABLE: down');
      expect(() => guarded.admit(call)).toThrow('breaker is open');
    }
    expect(sink.calls).toBe(3);
    for (const call of [here, durable]) {
      nowMs += 10;
      guarded.admit(call);
      const tests = [1, 2].map(() => guarded.deliver(delivery, call, signal));
      await expect(tests[0]).rejects.toThrow('SINK_UNAVAILABLE: down');
      await expect(tests[1]).rejects.toThrow('breaker');
    }
    expect(sink.calls).toBe(5);
    nowMs += 10;
    up = true;
    await guarded.deliver(delivery, durable, signal);
    await Promise.all([guarded.deliver(delivery, here, signal), guarded.deliver(delivery, durable, signal)]);
    expect(states).toEqual([true, false]);
  });

  test('a durable try that is refused comes back after as long as the sink has been away or the batch has waited, within bounds', async () => {
    let nowMs = 5_000;
    const guarded = guardSink(sinkOf(() => Promise.reject(new Error('down'))), { deliveriesMax: 4, openMs: 1e9, nowMs: () => nowMs });
    for (let i = 0; i < 3; i++) await expect(guarded.deliver(delivery, durable, signal)).rejects.toThrow('down');
    const retryAfterMs = async (waitedMs: number) => {
      const error: unknown = await guarded.deliver(delivery, { local: false, waitedMs }, signal).catch((thrown: unknown) => thrown);
      return (error as HeadraceError).retryAfterMs;
    };
    expect(await retryAfterMs(0)).toBe(1_000);
    nowMs += 30_000;
    expect(await retryAfterMs(0)).toBe(30_000);
    expect(await retryAfterMs(45_000)).toBe(45_000);
    expect(await retryAfterMs(1e7)).toBe(120_000);
  });

  test('a sink that is only too slow for quick tries takes durable ones', async () => {
    const ends: (() => void)[] = [];
    let open = false;
    const guarded = guardSink(sinkOf(() => new Promise((resolve) => { ends.push(resolve); })), { deliveriesMax: 9, quickMs: 1, openMs: 1e9, failuresMax: 1, onBreaker: (now) => (open = now) });
    const slow = guarded.deliver(delivery, here, signal);
    await until('the breaker', () => open, { everyMs: 1, timeoutMs: 5_000 });
    await expect(guarded.deliver(delivery, here, signal)).rejects.toThrow('breaker');
    const durables = [1, 2].map(() => guarded.deliver(delivery, durable, signal));
    for (const end of ends) end();
    await Promise.all([slow, ...durables]);
  });

  test('a sink that hangs opens the breaker before its deliveries end, and one that ends well closes it', async () => {
    const ends: (() => void)[] = [];
    const states: boolean[] = [];
    const guarded = guardSink(sinkOf(() => new Promise((resolve) => { ends.push(resolve); })), { deliveriesMax: 9, quickMs: 5, onBreaker: (open) => states.push(open) });
    const hanging = [1, 2, 3].map(() => guarded.deliver(delivery, here, signal));
    await until('the breaker', () => states.length > 0, { everyMs: 1, timeoutMs: 5_000 });
    await expect(guarded.deliver(delivery, here, signal)).rejects.toThrow('breaker');
    for (const end of ends) end();
    await Promise.all(hanging);
    expect(states).toEqual([true, false]);
  });

  test('what content is to blame for does not open the breaker', async () => {
    const guarded = guardSink(sinkOf(() => Promise.reject(new HeadraceError('SINK_REFUSED_ROW', 'row'))), { deliveriesMax: 4 });
    for (let i = 0; i < 5; i++) await expect(guarded.deliver(delivery, here, signal)).rejects.toThrow('row');
  });

  test('at the limit a quick try is refused, and a durable one waits its turn or for its signal', async () => {
    let finish = () => {};
    const sink = sinkOf(() => new Promise((resolve) => { finish = resolve; }));
    const guarded = guardSink(sink, { deliveriesMax: 1 });
    const first = guarded.deliver(delivery, durable, signal);
    await expect(guarded.deliver(delivery, here, signal)).rejects.toThrow('the most allowed');
    const givenUp = new AbortController();
    const second = guarded.deliver(delivery, durable, givenUp.signal);
    const third = guarded.deliver(delivery, durable, signal);
    givenUp.abort(new Error('gave up'));
    await expect(second).rejects.toThrow('gave up');
    await expect(guarded.deliver(delivery, durable, givenUp.signal)).rejects.toThrow('gave up');
    finish();
    await first;
    await until('the third', () => sink.calls === 2, { everyMs: 1, timeoutMs: 5_000 });
    finish();
    await third;
  });
});
