import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Budget } from '../../bridge/budget.ts';
import { PipelineBridge } from '../../bridge/pipeline-bridge.ts';
import type { Clock } from '../../bridge/clock.ts';
import { until } from '../live/wait.ts';
import { FakeSource, FakeStarter, fetchOf, recordAt, recordingReports } from './fakes.ts';

/** A clock on which every sleep takes a turn of the event loop, once it is let go. */
class FastClock implements Clock {
  // Late enough for a burst of the budget.
  #nowMs = 1_000;
  isHeld = true;
  nowMs = () => this.#nowMs;
  wallMs = () => this.#nowMs;
  async sleep(ms: number): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.isHeld);
    this.#nowMs += ms;
  }
}

let sources: FakeSource[];
let reports: ReturnType<typeof recordingReports>;
let clock: FastClock;
let bridge: PipelineBridge;
let starter: FakeStarter;
let newSource: () => FakeSource;
const errors: string[] = [];

beforeEach(async () => {
  sources = [];
  errors.length = 0;
  clock = new FastClock();
  starter = new FakeStarter();
  reports = recordingReports();
  newSource = () => new FakeSource();
  const createSource = () => {
    const source = newSource();
    source.log = { start: 0, end: 10 };
    sources.push(source);
    return source;
  };
  bridge = new PipelineBridge(...bridgeOf(createSource, starter));
  await bridge.start();
});
afterEach(() => {
  clock.isHeld = false;
  return bridge.stop();
});

function bridgeOf(
  createSource: () => FakeSource,
  ofThis: FakeStarter,
  chains = 1,
): ConstructorParameters<typeof PipelineBridge> {
  return [
    {
      createSource,
      starter: ofThis,
      ledgerEnds: () => Promise.resolve(new Map()),
      newestEpoch: () => Promise.resolve(undefined),
      clock,
      budget: new Budget(clock, 1_000),
      openBatches: { isFull: () => false, admit: () => Promise.resolve() },
      reports,
      log: { info: () => {}, error: (text) => errors.push(text) },
    },
    {
      topic: { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't' },
      chains,
      startAt: 'earliest',
      caps: { recordsMax: 100, bytesMax: 1_000_000 },
      laneBytesMax: { all: 1_000_000, each: 1_000_000 },
      startDeadlineMs: 1_000,
    },
  ];
}

/** A server whose chain 0 stands still before a run that was terminated. */
function starterOfOneChain(): FakeStarter {
  const blocked = new FakeStarter();
  blocked.answer = ({ chain }) => (chain.chain === 0 ? { kind: 'blocked', reason: 'terminated' } : undefined);
  return blocked;
}

/** Gives the first consumer its partition, and waits until it can take fetches. */
async function assign(source: FakeSource): Promise<void> {
  source.paused = true;
  source.handlers!.assigned([0]);
  await until('assigned', () => !source.paused, { everyMs: 1 });
}

describe('the bridge of a pipeline', () => {
  test('runs each chain of its partitions by itself: one that stands still holds up no other', async () => {
    const source = new FakeSource(4);
    for (const partition of source.partitions) partition.log = { start: 0, end: 10 };
    const blocked = starterOfOneChain();
    const two = new PipelineBridge(...bridgeOf(() => source, blocked, 2));
    await two.start();
    try {
      source.handlers!.assigned([0, 1, 3]);
      const isReading = (partition: number) =>
        two.states()[partition]?.doneBelow === 0 && !source.partitions[partition]!.paused;
      await until('assigned', () => isReading(0) && !source.partitions[1]!.paused && !source.partitions[3]!.paused, {
        everyMs: 1,
      });
      for (const partition of [0, 1, 3])
        expect(source.handlers!.fetched({ ...fetchOf(0, [recordAt(0)]), partition })).toBe(true);
      // No one has told of this one.
      expect(source.handlers!.fetched({ ...fetchOf(0, [recordAt(0)]), partition: 2 })).toBe(false);
      await until('chain 1 is scored', () => two.states().filter(({ doneBelow }) => doneBelow === 1).length === 2, {
        everyMs: 1,
      });
      const waits = two.states().map(({ partition, waiting, run }) => [partition, waiting.kind, run]);
      expect(waits).toEqual([
        [0, 'halted', 'batch:d:p:0:t:0.0:0'],
        [1, 'records', undefined],
        [3, 'records', undefined],
      ]);
    } finally {
      clock.isHeld = false;
      await two.stop();
    }
  });

  test('builds a consumer anew that leaves records lying', async () => {
    await assign(sources[0]!);
    clock.isHeld = false;
    await until('a new consumer', () => sources.length === 2, { everyMs: 1 });
    expect(errors[0]).toContain('has 10 records waiting');
    expect(clock.nowMs()).toBeGreaterThan(60_000);
  });

  test('builds a consumer anew whose partition does not find where to begin, also where its log is empty', async () => {
    sources[0]!.log = { start: 0, end: 0 };
    sources[0]!.committed = () => new Promise(() => {});
    sources[0]!.handlers!.assigned([0]);
    clock.isHeld = false;
    await until('a new consumer', () => sources.length === 2, { everyMs: 1 });
    expect(errors[0]).toContain('partition 0 has not found where to begin for 60 s');
    expect(clock.nowMs()).toBeGreaterThan(60_000);
  });

  test('leaves a consumer alone whose partition waits for Temporal to know where to begin', async () => {
    starter.lastRun = () => Promise.reject(new Error('away'));
    sources[0]!.handlers!.assigned([0]);
    clock.isHeld = false;
    await until('five minutes', () => clock.nowMs() > 300_000, { everyMs: 1 });
    expect(bridge.states()).toMatchObject([{ waiting: { kind: 'temporal', text: 'away' } }]);
    expect(sources).toHaveLength(1);
  });

  test('tells what ended a consumer, whatever it was', async () => {
    for (const [thrown, text] of [
      [new Error('gone'), 'gone'],
      [null, 'what was thrown is no error (object)'],
    ] as const) {
      const last = sources.at(-1)!;
      last.handlers!.crashed(thrown as Error);
      clock.isHeld = false;
      await until('a new consumer', () => sources.at(-1) !== last && sources.at(-1)!.handlers !== undefined, {
        everyMs: 1,
      });
      clock.isHeld = true;
      expect(errors.at(-1)).toBe(`the consumer of t is built anew: ${text}`);
    }
  });

  test('leaves a consumer alone whose log ends in what no reader may see', async () => {
    await assign(sources[0]!);
    expect(sources[0]!.handlers!.fetched(fetchOf(0, [recordAt(0), recordAt(1)]))).toBe(true);
    await until('scored', () => reports.events.some(({ what }) => what === 'scored'), { everyMs: 1 });
    expect(sources[0]!.handlers!.fetched(fetchOf(2, [], 10))).toBe(true);
    clock.isHeld = false;
    await until('five minutes', () => clock.nowMs() > 300_000, { everyMs: 1 });
    expect(bridge.states()).toMatchObject([{ doneBelow: 10, lag: 0 }]);
    expect(sources).toHaveLength(1);
  });

  test('leaves a consumer alone where the log goes on and no record is left in it, and shows no lag for ever', async () => {
    await assign(sources[0]!);
    sources[0]!.readable = (offset) => offset < 2;
    expect(sources[0]!.handlers!.fetched(fetchOf(0, [recordAt(0), recordAt(1)]))).toBe(true);
    await until('scored', () => reports.events.some(({ what }) => what === 'scored'), { everyMs: 1 });
    clock.isHeld = false;
    await until('five minutes', () => clock.nowMs() > 300_000, { everyMs: 1 });
    expect(bridge.states(5_000)).toMatchObject([{ doneBelow: 10, lag: 0, waiting: { kind: 'records' } }]);
    expect(sources).toHaveLength(1);
  });

  test('tells of a log whose leader is away that nothing is known of its end, and why', async () => {
    await assign(sources[0]!);
    sources[0]!.log = new Error('broker 2, which leads it, does not answer');
    clock.isHeld = false;
    await until('told', () => errors.length > 0, { everyMs: 1 });
    expect(errors[0]).toBe('the end of the log of t-0 is unknown: broker 2, which leads it, does not answer');
    expect(bridge.states()).toMatchObject([
      { lag: undefined, waiting: { kind: 'kafka', text: 'broker 2, which leads it, does not answer' } },
    ]);
    sources[0]!.log = { start: 0, end: 0 };
    await until('it is known again', () => bridge.states()[0]?.lag === 0, { everyMs: 1 });
  });

  test('tells the age of the record that waits, and what its batch waits for', async () => {
    starter.answer = () => ({ kind: 'unknown', reason: 'not scored yet' });
    starter.wait = { kind: 'paused', text: 'step infer is paused', by: 'ann' };
    await assign(sources[0]!);
    expect(sources[0]!.handlers!.fetched(fetchOf(0, [recordAt(0)], 1))).toBe(true);
    clock.isHeld = false;
    await until('the reason', () => bridge.states()[0]?.waiting.kind === 'paused', { everyMs: 1 });
    expect(bridge.states(61_000)).toMatchObject([
      { lag: 10, oldestSeconds: 60, waiting: { text: 'step infer is paused' }, run: 'batch:d:p:0:t:0.0:0' },
    ]);
    expect(JSON.stringify(bridge.states())).not.toContain('ann');
    // The clock of the host may be behind the producer's.
    expect(bridge.states(0)[0]!.oldestSeconds).toBe(0);
  });

  test('a consumer is told that its partitions want more while one has nothing to do, and one that was left behind is not', async () => {
    const { handlers } = sources[0]!;
    expect(handlers!.wantsMore()).toBe(false);
    await assign(sources[0]!);
    expect(handlers!.wantsMore()).toBe(true);
    sources[0]!.stop = () => new Promise(() => {});
    clock.isHeld = false;
    handlers!.crashed(new Error('gone'));
    await until('a new consumer', () => sources.length === 2 && sources[1]!.handlers, { everyMs: 1, timeoutMs: 5_000 });
    clock.isHeld = true;
    await assign(sources[1]!);
    expect([handlers!.wantsMore(), sources[1]!.handlers!.wantsMore()]).toEqual([false, true]);
  });

  test('a consumer that never stops does not hold up the next one', async () => {
    sources[0]!.stop = () => new Promise(() => {});
    clock.isHeld = false;
    sources[0]!.handlers!.crashed(new Error('gone'));
    await until('a new consumer', () => sources.length === 2 && sources[1]!.handlers, { everyMs: 1, timeoutMs: 5_000 });
    expect(errors).toContainEqual(expect.stringContaining('is left behind'));
  });

  test('a consumer that does not start is stopped, and another one is tried', async () => {
    let stops = 0;
    newSource = () => {
      const source = new FakeSource();
      if (sources.length === 1) source.start = () => Promise.reject(new Error('no broker'));
      source.stop = () => Promise.resolve(void stops++);
      return source;
    };
    clock.isHeld = false;
    sources[0]!.handlers!.crashed(new Error('gone'));
    await until('a third consumer', () => sources.length === 3 && sources[2]!.handlers, {
      everyMs: 1,
      timeoutMs: 5_000,
    });
    expect(stops).toBe(1);
  });
});
