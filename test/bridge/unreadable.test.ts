import { beforeEach, describe, expect, test } from 'vitest';
import { until } from '../live/wait.ts';
import { fetchOf, recordAt } from './fakes.ts';
import { partitionRig, positionIs } from './partition-rig.ts';

describe('a partition whose log cannot be read on', () => {
  let rig: ReturnType<typeof partitionRig>;
  const halts = () => rig.reports.events.filter(({ what }) => what === 'halted');
  beforeEach(() => {
    rig = partitionRig();
  });

  test('decides what is before, stands there with the offset, asks again, and goes on when it can', async () => {
    const partition = await rig.running();
    partition.fetched({ ...fetchOf(0, [recordAt(0), recordAt(1)]), unreadable: { from: 2, reason: 'broken bytes' } });
    await positionIs(partition, 2);
    await until('halted', () => partition.standing.waiting.kind === 'halted', { everyMs: 1 });
    expect(partition.standing.waiting).toMatchObject({
      kind: 'halted',
      text: expect.stringMatching(/^offset 2 cannot be read: broken bytes\. .*kafka-delete-records/),
      offset: 2,
    });
    expect(partition.isWaiting).toBe(true);
    await until('it asks again', () => !rig.source.paused, { everyMs: 1 });
    expect(rig.source.seeks.at(-1)).toBe(2);

    partition.fetched({ ...fetchOf(2, []), endOffset: 2, unreadable: { from: 2, reason: 'broken bytes' } });
    await until('it asks once more', () => halts().length === 2 && !rig.source.paused, { everyMs: 1 });
    expect(partition.standing.waiting.kind).toBe('halted');

    partition.fetched(fetchOf(2, [recordAt(2)]));
    expect(partition.isWaiting).toBe(false);
    await positionIs(partition, 3);
    expect(rig.starter.starts.map(({ position, end }) => [position, end])).toEqual([
      [0, 2],
      [2, 3],
    ]);
  });

  test('what fails on a record in our own code halts the partition, and the consumer hears nothing of it', async () => {
    const partition = await rig.running();
    const records = {
      [Symbol.iterator]: () => {
        throw new TypeError('a bug');
      },
    } as never;
    expect(partition.fetched({ ...fetchOf(0, []), records })).toBe(false);
    expect(partition.standing.waiting).toMatchObject({
      kind: 'halted',
      text: expect.stringMatching(/^unexpected: TypeError at /),
      offset: 0,
    });
    expect(rig.source.paused).toBe(true);
  });
});
