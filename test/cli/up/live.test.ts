import fc from 'fast-check';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { figuresOf } from '../../../cli/up/live/figures.ts';
import { MetricsHistory } from '../../../cli/up/live/history.ts';
import { describeFigures } from '../../../cli/up/live/line.ts';
import { parseMetrics } from '../../../cli/up/live/metrics.ts';
import type { Sample } from '../../../cli/up/live/metrics.ts';
import { StandstillTeller } from '../../../cli/up/live/standstills.ts';
import { quantile } from '../../../cli/up/live/quantile.ts';

/** A process with real prom-client metrics. */
function processOf() {
  const registers = [new Registry()];
  return {
    events: new Counter({ name: 'headrace_events_total', help: 'h', labelNames: ['pipeline', 'outcome'], registers }),
    scored: new Histogram({
      name: 'headrace_scored_latency_seconds',
      help: 'h',
      labelNames: ['pipeline'],
      buckets: [0.01, 0.02, 0.05, 0.1],
      registers,
    }),
    lag: new Gauge({
      name: 'headrace_lag_records',
      help: 'h',
      labelNames: ['pipeline', 'topic', 'partition'],
      registers,
    }),
    waiting: new Gauge({
      name: 'headrace_bridge_waiting',
      help: 'h',
      labelNames: ['pipeline', 'topic', 'partition', 'reason'],
      registers,
    }),
    samples: async (): Promise<Sample[]> =>
      parseMetrics(JSON.parse(JSON.stringify(await registers[0]!.getMetricsAsJSON()))),
  };
}

describe('figures', () => {
  it('add up processes, and look at the window only for rates and quantiles', async () => {
    const [a, b] = [processOf(), processOf()];
    a.scored.observe({ pipeline: 'fraud' }, 5);
    a.events.inc({ pipeline: 'fraud', outcome: 'approve' }, 100);
    const history = new MetricsHistory();
    history.add(
      1_000,
      new Map([
        ['a', await a.samples()],
        ['b', await b.samples()],
      ]),
    );
    expect(history.span()).toBeUndefined();
    a.events.inc({ pipeline: 'fraud', outcome: 'approve' }, 30);
    b.events.inc({ pipeline: 'fraud', outcome: 'block' }, 10);
    for (let i = 0; i < 100; i += 1) (i % 2 === 0 ? a : b).scored.observe({ pipeline: 'fraud' }, 0.015);
    a.lag.set({ pipeline: 'fraud', topic: 't', partition: '0' }, 3);
    b.lag.set({ pipeline: 'fraud', topic: 't', partition: '1' }, 4);
    a.waiting.set({ pipeline: 'fraud', topic: 't', partition: '0', reason: 'temporal' }, 1);
    a.waiting.set({ pipeline: 'fraud', topic: 't', partition: '1', reason: 'none' }, 1);
    history.add(
      3_000,
      new Map([
        ['a', await a.samples()],
        ['b', await b.samples()],
      ]),
    );
    const { oldest, newest } = history.span()!;
    const figures = figuresOf(oldest, newest);
    expect(figures).toMatchObject({
      eventsPerSecond: 20,
      lagRecords: 7,
      pipelines: { fraud: { outcomes: { approve: 130, block: 10 } } },
      waiting: { temporal: 1 },
      eventsTotal: 140,
    });
    expect(figures.scored?.p50Ms).toBeCloseTo(15, 5);
    expect(figures.delivered).toBeUndefined();
  });

  it('are counted by pipeline; what nobody counts is not known', async () => {
    const registers = [new Registry()];
    const events = new Counter({
      name: 'headrace_events_total',
      help: 'h',
      labelNames: ['pipeline', 'outcome'],
      registers,
    });
    const late = new Counter({ name: 'headrace_late_events_total', help: 'h', labelNames: ['pipeline'], registers });
    const open = new Gauge({ name: 'headrace_reviews_open', help: 'h', labelNames: ['pipeline'], registers });
    const waiting = new Gauge({ name: 'headrace_reviews_waiting', help: 'h', labelNames: ['pipeline'], registers });
    const dead = new Gauge({ name: 'headrace_dead_letters', help: 'h', labelNames: ['pipeline'], registers });
    events.inc({ pipeline: 'a', outcome: 'approve' }, 3);
    events.inc({ pipeline: 'b', outcome: 'approve' }, 4);
    late.inc({ pipeline: 'a' }, 2);
    open.set({ pipeline: 'a' }, 5);
    waiting.set({ pipeline: 'b' }, 6);
    dead.set({ pipeline: 'b' }, 7);
    const history = new MetricsHistory();
    history.add(0, new Map());
    history.add(
      1_000,
      new Map([['p', parseMetrics(JSON.parse(JSON.stringify(await registers[0]!.getMetricsAsJSON())))]]),
    );
    const { oldest, newest } = history.span()!;
    expect(figuresOf(oldest, newest).pipelines).toEqual({
      a: { outcomes: { approve: 3 }, late: 2, reviewsOpen: 5 },
      b: { outcomes: { approve: 4 }, deadLetters: 7, reviewsWaiting: 6 },
    });
  });

  it('never fall when a process restarts or does not answer', async () => {
    const first = processOf();
    const history = new MetricsHistory();
    first.events.inc({ outcome: 'approve' }, 100);
    history.add(0, new Map([['worker', await first.samples()]]));
    history.add(1_000, new Map());
    const second = processOf();
    second.events.inc({ outcome: 'approve' }, 7);
    history.add(2_000, new Map([['worker', await second.samples()]]));
    const { oldest, newest } = history.span()!;
    expect(figuresOf(oldest, newest)).toMatchObject({ eventsPerSecond: 3.5, eventsTotal: 107 });
  });

  it('keep ten seconds', () => {
    const history = new MetricsHistory();
    for (let atMs = 0; atMs <= 60_000; atMs += 1_000) history.add(atMs, new Map());
    expect(history.span()!.oldest.atMs).toBe(50_000);
  });
});

describe('quantiles', () => {
  it('interpolate inside their bucket and stop at the last bound', () => {
    const buckets = [
      { upTo: 10, count: 50 },
      { upTo: 20, count: 100 },
      { upTo: Infinity, count: 100 },
    ];
    expect(quantile(buckets, 0.5)).toBe(10);
    expect(quantile(buckets, 0.75)).toBe(15);
    expect(
      quantile(
        [
          { upTo: 10, count: 0 },
          { upTo: Infinity, count: 4 },
        ],
        0.5,
      ),
    ).toBe(10);
    expect(quantile([{ upTo: 10, count: 0 }], 0.5)).toBeUndefined();
    expect(quantile([], 0.5)).toBeUndefined();
  });

  it('lie within the bucket that holds the true one, and grow with the share', () => {
    const bounds = [1, 2, 5, 10, 100];
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.001, max: 100, noNaN: true }), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (values, share) => {
          const buckets = [...bounds, Infinity].map((upTo) => ({
            upTo,
            count: values.filter((value) => value <= upTo).length,
          }));
          const truth = values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)]!;
          const upper = bounds.find((bound) => truth <= bound)!;
          const lower = bounds[bounds.indexOf(upper) - 1] ?? 0;
          const answer = quantile(buckets, share)!;
          expect(answer).toBeGreaterThanOrEqual(lower - 1e-9);
          expect(answer).toBeLessThanOrEqual(upper + 1e-9);
          expect(quantile(buckets, share / 2)!).toBeLessThanOrEqual(answer + 1e-9);
        },
      ),
    );
  });
});

describe('the live line', () => {
  const figures = {
    eventsPerSecond: 49.8,
    scored: { p50Ms: 21.4, p99Ms: 60 },
    delivered: { p50Ms: 40, p99Ms: 91.6 },
    lagRecords: 1234,
    pipelines: {
      fraud: { outcomes: { approve: 9812, block: 3 }, late: 17, deadLetters: 2, reviewsOpen: 31, reviewsWaiting: 0 },
    },
    waiting: {},
    eventsTotal: 9815,
  };
  const running = { name: 'worker', state: 'ready', pid: 1, logFile: undefined } as const;

  it('shows everything on one line', () => {
    expect(describeFigures(figures, [running], ['fraud'])).toEqual([
      '50 events/s | scored p50 21 p99 60 ms | all sinks p50 40 p99 92 ms | lag 1,234 | approve 9,812 block 3 | late 17 | dead letters 2 | open reviews 31',
    ]);
  });

  it('has a line for the counts of each pipeline that runs, when there are several', () => {
    const returns = { outcomes: { accept: 4 }, deadLetters: 1, reviewsOpen: 1_000, reviewsWaiting: 2_500 };
    const more = { ...figures, pipelines: { ...figures.pipelines, returns, 'of an earlier run': returns } };
    expect(describeFigures(more, [running], ['fraud', 'orders', 'returns'])).toEqual([
      '50 events/s | scored p50 21 p99 60 ms | all sinks p50 40 p99 92 ms | lag 1,234',
      'fraud: approve 9,812 block 3 | late 17 | dead letters 2 | open reviews 31',
      'orders: dead letters unknown | open reviews unknown',
      'returns: accept 4 | dead letters 1 | open reviews 1,000 (2,500 wait to be opened)',
    ]);
  });

  it('says what it waits for', () => {
    expect(describeFigures(undefined, [running], ['fraud', 'orders'])).toEqual(['waiting for the first events']);
    const bridge = { name: 'bridge', state: 'ready', pid: 2, logFile: '/d/logs/bridge.log' } as const;
    expect(
      describeFigures(
        { ...figures, waiting: { failing: 2 } },
        [{ ...running, state: 'restarting' }, bridge],
        ['fraud'],
      )[0],
    ).toMatch(
      /waiting for worker \(restarting\), a step that fails \(2 partitions; the bridge's log says why: \/d\/logs\/bridge\.log\)$/,
    );
  });

  it('never shows what is not known as a calm zero', () => {
    const { lagRecords: _, ...unknown } = figures;
    expect(describeFigures(unknown, [running], ['fraud'])[0]).toContain('| lag unknown |');
    expect(describeFigures(unknown, [running], ['fraud'], { problems: [], unknown: {}, lagRecords: 9 })[0]).toContain(
      '| lag 9 |',
    );
    expect(
      describeFigures(figures, [running], ['fraud'], { problems: [], unknown: { schedules: 'no Temporal' } })[0],
    ).toMatch(/\| not known: schedules$/);
    expect(describeFigures({ ...figures, oldestSeconds: 840, lateShare: 0.25 }, [running], ['fraud'])[0]).toContain(
      '| lag 1,234 (oldest 14 min) | 25% late now |',
    );
  });

  it('names what stands, and tells of each thing once in full', () => {
    const problem = (place: string) => ({
      kind: 'paused' as const,
      place,
      short: `${place}: its batch is paused`,
      text: `${place}: its batch is paused by ann`,
      log: 'bridge',
    });
    const problems = ['t-0', 't-1', 't-2'].map(problem);
    expect(
      describeFigures({ ...figures, waiting: { paused: 3 } }, [running], ['fraud'], { problems, unknown: {} })[0],
    ).toMatch(
      /\| standing: t-0: its batch is paused; t-1: its batch is paused; and 1 more \(headrace status says why\)$/,
    );
    const teller = new StandstillTeller();
    const lines = (...now: typeof problems) =>
      teller.lines({ problems: now, unknown: {} }, (name) => `/d/logs/${name}.log`);
    expect(lines(problem('t-0'))).toEqual(['standing: t-0: its batch is paused by ann', '  log: /d/logs/bridge.log']);
    expect(lines(problem('t-0'))).toEqual([]);
    expect(teller.lines({ problems: [], unknown: { partitions: 'no answer' } }, () => undefined)).toEqual([]);
    expect(lines()).toEqual(['no longer standing: t-0: its batch is paused']);
    expect(lines(problem('t-0'))).toHaveLength(2);
  });
});
