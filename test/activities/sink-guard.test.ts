import { describe, expect, test } from 'vitest';
import { guardSink } from '../../activities/sink-guard.ts';
import { HeadraceError } from '../../contracts/failures.ts';
import type { Delivery, Sink } from '../../sinks/port.ts';
import { until } from '../live/wait.ts';

const delivery = {} as Delivery;
const signal = new AbortController().signal;
const here = { local: true, signal };
const durable = { local: false, signal };

function sinkOf(deliver: () => Promise<void>): Sink & { calls: number } {
  const sink = { name: 's', calls: 0, deliver: () => (sink.calls++, deliver()), close: () => Promise.resolve() };
  return sink;
}

describe('guardSink', () => {
  test('after failures in a row quick tries are refused at once, durable ones go through, and a success closes the breaker', async () => {
    let up = false;
    const states: boolean[] = [];
    const sink = sinkOf(() => (up ? Promise.resolve() : Promise.reject(new HeadraceError('SINK_UNAVAILABLE', 'down'))));
    const guarded = guardSink(sink, { deliveriesMax: 4, nowMs: () => 0, onBreaker: (open) => states.push(open) });
    for (let i = 0; i < 3; i++) await expect(guarded.deliver(delivery, here)).rejects.toThrow('down');
    await expect(guarded.deliver(delivery, here)).rejects.toThrow('breaker');
    expect(sink.calls).toBe(3);
    up = true;
    await guarded.deliver(delivery, durable);
    await guarded.deliver(delivery, here);
    expect(states).toEqual([true, false]);
  });

  test('a sink that hangs opens the breaker before its deliveries end, and one that ends well closes it', async () => {
    const ends: (() => void)[] = [];
    const states: boolean[] = [];
    const guarded = guardSink(sinkOf(() => new Promise((resolve) => { ends.push(resolve); })), { deliveriesMax: 9, quickMs: 5, onBreaker: (open) => states.push(open) });
    const hanging = [1, 2, 3].map(() => guarded.deliver(delivery, here));
    await until('the breaker', () => states.length > 0, { everyMs: 1, timeoutMs: 5_000 });
    await expect(guarded.deliver(delivery, here)).rejects.toThrow('breaker');
    for (const end of ends) end();
    await Promise.all(hanging);
    expect(states).toEqual([true, false]);
  });

  test('what content is to blame for does not open the breaker', async () => {
    const guarded = guardSink(sinkOf(() => Promise.reject(new HeadraceError('SINK_REFUSED_ROW', 'row'))), { deliveriesMax: 4 });
    for (let i = 0; i < 5; i++) await expect(guarded.deliver(delivery, here)).rejects.toThrow('row');
  });

  test('at the limit a quick try is refused, and a durable one waits its turn or for its signal', async () => {
    let finish = () => {};
    const sink = sinkOf(() => new Promise((resolve) => { finish = resolve; }));
    const guarded = guardSink(sink, { deliveriesMax: 1 });
    const first = guarded.deliver(delivery, durable);
    await expect(guarded.deliver(delivery, here)).rejects.toThrow('the most allowed');
    const givenUp = new AbortController();
    const second = guarded.deliver(delivery, { local: false, signal: givenUp.signal });
    const third = guarded.deliver(delivery, durable);
    givenUp.abort(new Error('gave up'));
    await expect(second).rejects.toThrow('gave up');
    await expect(guarded.deliver(delivery, { local: false, signal: givenUp.signal })).rejects.toThrow('gave up');
    finish();
    await first;
    await until('the third', () => sink.calls === 2, { everyMs: 1, timeoutMs: 5_000 });
    finish();
    await third;
  });
});
