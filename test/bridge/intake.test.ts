import { beforeEach, describe, expect, test } from 'vitest';
import { decodeCommitMetadata, recordHash } from '../../bridge/commit-metadata.ts';
import { until } from '../live/wait.ts';
import { chainRig, positionIs } from './chain-rig.ts';
import { fetchOf, recordAt, recordsAt, type FakeSource, type FakeStarter, type recordingReports } from './fakes.ts';

let source: FakeSource;
let starter: FakeStarter;
let reports: ReturnType<typeof recordingReports>;
let running: ReturnType<typeof chainRig>['running'];

beforeEach(() => {
  ({ source, starter, reports, running } = chainRig());
});

const isHalted = () => reports.events.some(({ what }) => what === 'halted');

describe('a fetch that does not continue its lane', () => {
  test('a gap is asked for once more before it is believed, and is no loss while the log begins before it', async () => {
    const chain = await running();
    expect(chain.fetched(fetchOf(5, [recordAt(5)]))).toBe(false);
    await until('asked again', () => source.seeks.at(-1) === 0 && !source.paused, { everyMs: 1 });
    expect(chain.fetched(fetchOf(5, [recordAt(5)]))).toBe(false);
    await until('believed', () => source.seeks.at(-1) === 5 && !source.paused, { everyMs: 1 });
    expect(chain.fetched(fetchOf(5, [recordAt(5)]))).toBe(true);
    await positionIs(chain, 6);
    expect(starter.starts).toMatchObject([{ ranges: [{ position: 0, end: 6, count: 1 }] }]);
    expect(reports.events.filter(({ what }) => what === 'lost')).toEqual([]);
  });

  test('what retention deleted is reported to the offset, and the chain has no hole', async () => {
    const chain = await running();
    source.log = { start: 40, end: 50 };
    expect(chain.fetched(fetchOf(40, [recordAt(40)]))).toBe(false);
    await until('lost', () => reports.events.some(({ what }) => what === 'lost'), { everyMs: 1 });
    expect(reports.events).toContainEqual({ what: 'lost', partition: 0, detail: { from: 0, to: 40 } });
    await until('seek', () => source.seeks.at(-1) === 40 && !source.paused, { everyMs: 1 });
    chain.fetched(fetchOf(40, [recordAt(40)]));
    await positionIs(chain, 41);
    expect(starter.ranges).toEqual([[0, 41]]);
  });

  test('a loss before the first batch leaves the position the first one', async () => {
    const chain = await running();
    source.log = { start: 40, end: 50 };
    chain.fetched(fetchOf(40, [recordAt(40)]));
    await until('seek', () => source.seeks.at(-1) === 40 && !source.paused, { everyMs: 1 });
    expect(decodeCommitMetadata(source.commits.at(-1)!.metadata)).toMatchObject({ epoch: 0, first: true });
    chain.fetched(fetchOf(40, [recordAt(40)]));
    await positionIs(chain, 41);
    expect(starter.starts[0]!.ranges).toMatchObject([{ position: 0, end: 41, first: true }]);
  });

  test('halts when the log ends below what was read', async () => {
    const chain = await running();
    chain.fetched(fetchOf(0, recordsAt(0, 2)));
    await positionIs(chain, 2);
    source.log = { start: 0, end: 1 };
    chain.fetched(fetchOf(0, [recordAt(0, 'new')]));
    await until('halted', isHalted, { everyMs: 1 });
    expect(chain.position()).toBe(2);
  });

  test('an end that is too low for a while, as a new leader names it, halts nothing', async () => {
    const chain = await running();
    chain.fetched(fetchOf(0, recordsAt(0, 2)));
    await positionIs(chain, 2);
    let asked = 0;
    source.bounds = () => Promise.resolve(new Map([[0, { start: 0, end: ++asked < 4 ? 1 : 100 }]]));
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('reads on', () => asked === 4 && !source.paused, { everyMs: 1 });
    expect(source.seeks.at(-1)).toBe(2);
    expect(isHalted()).toBe(false);
  });

  test('what kafkajs did to the commit is put right', async () => {
    const chain = await running();
    chain.fetched(fetchOf(0, recordsAt(0, 2)));
    await positionIs(chain, 2);
    await until('committed', () => source.stored.offset === 2, { everyMs: 1 });
    source.stored = { offset: -2, metadata: null };
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('committed again', () => source.stored.offset === 2, { everyMs: 1 });
    expect(decodeCommitMetadata(source.stored.metadata)).toEqual({
      epoch: 0,
      layout: 0,
      chains: 1,
      sequence: 0,
      tail: { offset: 1, hash: recordHash(recordAt(1)) },
    });
  });

  test('a batch that is scored meanwhile does not resume the partition', async () => {
    const release = starter.hold();
    const chain = await running();
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('started', () => starter.starts.length === 1, { everyMs: 1 });
    let answerBounds = () => {};
    source.bounds = () =>
      new Promise((resolve) => {
        answerBounds = () => resolve(new Map([[0, source.log]]));
      });
    expect(chain.fetched(fetchOf(5, [recordAt(5)]))).toBe(false);
    release();
    await positionIs(chain, 1);
    expect(source.paused).toBe(true);
    expect(chain.fetched(fetchOf(5, [recordAt(5)]))).toBe(false);
    answerBounds();
    await until('asked again', () => !source.paused, { everyMs: 1 });
    expect(source.seeks.at(-1)).toBe(1);
    expect(chain.position()).toBe(1);
  });

  test('one that came while the partition was paused is asked for again', async () => {
    let open = false;
    starter.answer = () => (open ? undefined : { kind: 'unknown', reason: 'busy' });
    const chain = await running({ laneBytesMax: 100 });
    chain.fetched(fetchOf(0, recordsAt(0, 4)));
    expect(chain.fetched(fetchOf(4, [], 9))).toBe(false);
    open = true;
    await until('resumed', () => !source.paused, { everyMs: 1 });
    expect(source.seeks.at(-1)).toBe(4);
    expect(chain.fetched(fetchOf(4, [], 9))).toBe(true);
    expect(chain.standing().doneBelow).toBe(9);
  });
});
