import { describe, expect, test } from 'vitest';
import { waitKinds, type PartitionState, type WaitKind, type Waiting } from '../../contracts/partition-state.ts';
import { findProblems } from '../../status/problems.ts';
import type { ScheduleState } from '../../temporal/schedules.ts';

const partition = (waiting: Waiting, lag?: number): PartitionState => ({
  pipeline: 'orders',
  topic: 'sales',
  partition: 3,
  lag,
  waiting,
});
const none = { partitions: [], processes: [] };
/** The kinds of wait that are a problem. */
const told = (of: (kind: WaitKind) => PartitionState) =>
  waitKinds.filter((kind) => findProblems({ ...none, partitions: [of(kind)] }).length > 0);

describe('a partition', () => {
  test('that waits for something other than records is a problem, as is one of which it is not known for how long', () => {
    const all = waitKinds.filter((kind) => kind !== 'records' && kind !== 'unknown');
    expect(told((kind) => partition({ kind, forSeconds: 3_600 }, 5))).toEqual(all);
    expect(told((kind) => partition({ kind }, 5))).toEqual(all);
    expect(told((kind) => partition({ kind }))).toEqual(all);
  });

  test('that has waited for a moment only is none, unless that needs an operator', () => {
    expect(told((kind) => partition({ kind, forSeconds: 1 }, 5))).toEqual([
      'paused',
      'no_worker',
      'halted',
      'no_bridge',
    ]);
  });

  test('that has nothing left to do is one only while it is halted, or cannot know of more', () => {
    expect(told((kind) => partition({ kind, forSeconds: 3_600 }, 0))).toEqual(['kafka', 'temporal', 'halted']);
  });

  test('says where, what waits, why, and for how long', () => {
    const waiting: Waiting = { kind: 'halted', text: 'the log was cut', forSeconds: 7_200 };
    expect(findProblems({ ...none, partitions: [{ ...partition(waiting, 1_200), oldestSeconds: 600 }] })).toEqual([
      {
        kind: 'halted',
        pipeline: 'orders',
        place: 'sales-3',
        short: 'sales-3: halted, waiting for you',
        text: expect.stringMatching(
          /^sales-3 of orders: 1,200 records wait, the oldest for 10 min; halted, waiting for you, for 2 h: the log was cut/,
        ) as string,
        log: 'bridge',
      },
    ]);
  });
});

describe('a schedule', () => {
  const textsOf = (schedule: Partial<ScheduleState>) =>
    findProblems({ ...none, schedules: [{ name: 'sweep', id: 's1', state: 'running', ...schedule }] }).map(
      ({ text }) => text,
    );

  test('that is missing, paused or overdue is a problem', () => {
    expect(textsOf({ state: 'missing' })).toEqual([expect.stringContaining('the schedule s1 is missing')]);
    expect(textsOf({ state: 'paused', note: 'by ann', remedy: 'temporal schedule toggle' })).toEqual([
      'the schedule s1 is paused ("by ann"), so chains are not checked for holes; let it go on: temporal schedule toggle',
    ]);
    expect(textsOf({ everySeconds: 300, ageSeconds: 1_501 })).toEqual([
      expect.stringContaining('chains are not checked for holes; the last time was 25 min ago'),
    ]);
    expect(textsOf({ everySeconds: 300, ageSeconds: 1_500 })).toEqual([]);
  });
});

test('a process that does not answer is a problem, with its own log', () => {
  const processes = [
    { name: 'bridge', address: 'a:1' },
    { name: 'worker', address: 'a:2', reason: 'nobody listens' },
  ];
  expect(findProblems({ ...none, processes })).toEqual([
    expect.objectContaining({ kind: 'process', place: 'worker', log: 'worker' }),
  ]);
});
