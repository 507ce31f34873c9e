import { beforeEach, describe, expect, test } from 'vitest';
import { until } from '../live/wait.ts';
import { fetchOf, recordAt } from './fakes.ts';
import { chainRig, positionIs } from './chain-rig.ts';

describe('a partition whose log cannot be read on', () => {
  let rig: ReturnType<typeof chainRig>;
  const halts = () => rig.reports.events.filter(({ what }) => what === 'halted');
  beforeEach(() => {
    rig = chainRig();
  });

  test('decides what is before, stands there with the offset, asks again, and goes on when it can', async () => {
    const chain = await rig.running();
    chain.fetched({ ...fetchOf(0, [recordAt(0), recordAt(1)]), unreadable: { from: 2, reason: 'broken bytes' } });
    await positionIs(chain, 2);
    await until('halted', () => chain.standing().waiting.kind === 'halted', { everyMs: 1 });
    expect(chain.standing().waiting).toMatchObject({
      kind: 'halted',
      text: expect.stringMatching(/^offset 2 cannot be read: broken bytes\. .*kafka-delete-records/),
      offset: 2,
    });
    expect(chain.isWaiting()).toBe(true);
    await until('it asks again', () => !rig.source.paused, { everyMs: 1 });
    expect(rig.source.seeks.at(-1)).toBe(2);

    chain.fetched({ ...fetchOf(2, []), endOffset: 2, unreadable: { from: 2, reason: 'broken bytes' } });
    await until('it asks once more', () => halts().length === 2 && !rig.source.paused, { everyMs: 1 });
    expect(chain.standing().waiting.kind).toBe('halted');

    chain.fetched(fetchOf(2, [recordAt(2)]));
    expect(chain.isWaiting()).toBe(false);
    await positionIs(chain, 3);
    expect(rig.starter.ranges).toEqual([
      [0, 2],
      [2, 3],
    ]);
  });

  test('what fails on a record in our own code halts the partition, and the consumer hears nothing of it', async () => {
    const chain = await rig.running();
    const records = {
      [Symbol.iterator]: () => {
        throw new TypeError('a bug');
      },
    } as never;
    expect(chain.fetched({ ...fetchOf(0, []), records })).toBe(false);
    expect(chain.standing().waiting).toMatchObject({
      kind: 'halted',
      text: expect.stringMatching(/^unexpected: TypeError at /),
      offset: 0,
    });
    expect(rig.source.paused).toBe(true);
  });
});
