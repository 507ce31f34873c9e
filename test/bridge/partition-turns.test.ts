import { beforeEach, describe, expect, test } from 'vitest';
import { until } from '../live/wait.ts';
import { fetchOf, recordAt, type FakeSource, type FakeStarter } from './fakes.ts';
import { partitionRig, positionIs } from './partition-rig.ts';

let source: FakeSource;
let starter: FakeStarter;
let budget: ReturnType<typeof partitionRig>['budget'];
let running: ReturnType<typeof partitionRig>['running'];

beforeEach(() => {
  ({ source, starter, budget, running } = partitionRig());
});

describe('what a partition wants of its consumer, and of the budget', () => {
  test('what comes while the lane waits for its turn goes along', async () => {
    const partition = await running();
    const turns: boolean[] = [];
    budget.onTurn = (isFull) => {
      turns.push(isFull);
      // The poll that was asked for before its turn would not bring these.
      source.onPoll = () => {
        source.onPoll = () => {};
        partition.fetched(fetchOf(1, [recordAt(1), recordAt(2)]));
      };
    };
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await positionIs(partition, 3);
    expect(starter.starts).toMatchObject([{ position: 0, end: 3, count: 3 }]);
    expect(turns).toEqual([false]);
  });

  test('says of a batch that it is full when it has all the records it may have', async () => {
    const turns: boolean[] = [];
    const partition = await running();
    budget.onTurn = (isFull) => void turns.push(isFull);
    partition.fetched(
      fetchOf(
        0,
        [0, 1, 2, 3, 4].map((offset) => recordAt(offset)),
      ),
    );
    await positionIs(partition, 5);
    expect(turns).toEqual([true, false]);
  });

  test('says so, too, when its partition is paused: nothing will come to it', async () => {
    const turns: boolean[] = [];
    const partition = await running({ laneBytesMax: 10 });
    budget.onTurn = (isFull) => void turns.push(isFull);
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await positionIs(partition, 1);
    expect(turns).toEqual([true]);
  });

  test('ends its turn when the batch is scored, and also when it is over before that', async () => {
    let scored: () => void = () => {};
    starter.answer = () => new Promise((resolve) => (scored = () => resolve(undefined)));
    const partition = await running();
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('started', () => starter.starts.length === 1, { everyMs: 1 });
    expect(budget.turnsEnded).toBe(0);
    scored();
    await positionIs(partition, 1);
    expect(budget.turnsEnded).toBe(1);
    budget.onTurn = () => void partition.abandon();
    partition.fetched(fetchOf(1, [recordAt(1)]));
    await until('ended', () => budget.turnsEnded === 2, { everyMs: 1 });
    expect(starter.starts).toHaveLength(1);
  });

  test('wants more while it has nothing to start with, or less than the log holds; not while a batch is under way, nor when it is over', async () => {
    let scored: () => void = () => {};
    starter.answer = () => new Promise((resolve) => (scored = () => resolve(undefined)));
    const partition = await running({ laneBytesMax: 125 });
    expect(partition.wantsMore).toBe(true);
    partition.fetched(fetchOf(0, [recordAt(0)]));
    await until('started', () => starter.starts.length === 1, { everyMs: 1 });
    expect(partition.wantsMore).toBe(false);
    partition.fetched({ ...fetchOf(1, [recordAt(1)]), logEnd: 9 });
    expect(partition.wantsMore).toBe(true);
    partition.fetched({ ...fetchOf(2, [recordAt(2), recordAt(3)]), logEnd: 9 });
    expect([source.paused, partition.wantsMore]).toEqual([true, false]);
    scored();
    await until('started again', () => starter.starts.length === 2, { everyMs: 1 });
    scored();
    await positionIs(partition, 4);
    await until('idle', () => partition.wantsMore, { everyMs: 1 });
    await partition.abandon();
    expect(partition.wantsMore).toBe(false);
  });
});
