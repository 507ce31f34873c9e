import { beforeEach, describe, expect, test } from 'vitest';
import { until } from '../live/wait.ts';
import { fetchOf, recordAt, type FakeSource, type FakeStarter } from './fakes.ts';
import { chainRig, positionIs } from './chain-rig.ts';

let source: FakeSource;
let starter: FakeStarter;
let budget: ReturnType<typeof chainRig>['budget'];
let running: ReturnType<typeof chainRig>['running'];

beforeEach(() => {
  ({ source, starter, budget, running } = chainRig());
});

describe('what a chain wants of its consumer, and of the budget', () => {
  test('what comes while the batch waits for its turn goes along', async () => {
    const chain = await running();
    const turns: boolean[] = [];
    budget.onTurn = (isFull) => {
      turns.push(isFull);
      // The poll that was asked for before its turn would not bring these.
      source.onPoll = () => {
        source.onPoll = () => {};
        chain.fetched(fetchOf(1, [recordAt(1), recordAt(2)]));
      };
    };
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await positionIs(chain, 3);
    expect(starter.starts).toMatchObject([{ ranges: [{ position: 0, end: 3, count: 3 }] }]);
    expect(turns).toEqual([false]);
  });

  test('says of a batch that it is full when it has all the records it may have', async () => {
    const turns: boolean[] = [];
    const chain = await running();
    budget.onTurn = (isFull) => void turns.push(isFull);
    chain.fetched(
      fetchOf(
        0,
        [0, 1, 2, 3, 4].map((offset) => recordAt(offset)),
      ),
    );
    await positionIs(chain, 5);
    expect(turns).toEqual([true, false]);
  });

  test('says so, too, when its partition is paused: nothing will come to it', async () => {
    const turns: boolean[] = [];
    const chain = await running({ laneBytesMax: 10 });
    budget.onTurn = (isFull) => void turns.push(isFull);
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await positionIs(chain, 1);
    expect(turns).toEqual([true]);
  });

  test('ends its turn when the batch is scored, and also when it is over before that', async () => {
    let scored: () => void = () => {};
    starter.answer = () => new Promise((resolve) => (scored = () => resolve(undefined)));
    const chain = await running();
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('started', () => starter.starts.length === 1, { everyMs: 1 });
    expect(budget.turnsEnded).toBe(0);
    scored();
    await positionIs(chain, 1);
    expect(budget.turnsEnded).toBe(1);
    budget.onTurn = () => void chain.abandon();
    chain.fetched(fetchOf(1, [recordAt(1)]));
    await until('ended', () => budget.turnsEnded === 2, { everyMs: 1 });
    expect(starter.starts).toHaveLength(1);
  });

  test('wants more while it has nothing to start with, or less than the log holds; not while a batch is under way, nor when it is over', async () => {
    let scored: () => void = () => {};
    starter.answer = () => new Promise((resolve) => (scored = () => resolve(undefined)));
    const chain = await running({ laneBytesMax: 125 });
    expect(chain.wantsMore).toBe(true);
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('started', () => starter.starts.length === 1, { everyMs: 1 });
    expect(chain.wantsMore).toBe(false);
    chain.fetched({ ...fetchOf(1, [recordAt(1)]), logEnd: 9 });
    expect(chain.wantsMore).toBe(true);
    chain.fetched({ ...fetchOf(2, [recordAt(2), recordAt(3)]), logEnd: 9 });
    expect([source.paused, chain.wantsMore]).toEqual([true, false]);
    scored();
    await until('started again', () => starter.starts.length === 2, { everyMs: 1 });
    scored();
    await positionIs(chain, 4);
    await until('idle', () => chain.wantsMore, { everyMs: 1 });
    await chain.abandon();
    expect(chain.wantsMore).toBe(false);
  });
});
