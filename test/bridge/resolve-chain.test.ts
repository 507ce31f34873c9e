import { describe, expect, test } from 'vitest';
import type { TrustedCommit } from '../../bridge/group-state.ts';
import type { LedgerEnd } from '../../bridge/ledger-ends.ts';
import { resolveChain } from '../../bridge/resolve-chain.ts';
import type { RecordMark } from '../../contracts/names.ts';
import type { LastRun } from '../../temporal/starter.ts';
import { chainRef } from './chain-rig.ts';

const markOf = (offset: number): RecordMark => ({ offset, hash: `h${offset}` });

/** A run whose one range is `[position, end)` of partition 0. */
function runOf(sequence: number, position: number, end: number, more: Partial<LastRun> = {}): LastRun {
  return {
    sequence,
    isScored: true,
    startId: `run ${sequence}`,
    chains: 2,
    ranges: [{ partition: 0, position, end, count: end - position, mark: markOf(position) }],
    positions: { 0: end, 2: 50 },
    ...more,
  };
}

const commitOf = (offset: number, sequence?: number, more: Partial<TrustedCommit> = {}): TrustedCommit => ({
  offset,
  epoch: 0,
  layout: 0,
  chains: 2,
  ...(sequence === undefined ? {} : { sequence }),
  ...more,
});

interface World {
  /** Runs that the server still has, and the one that it lists as the highest. */
  runs?: LastRun[];
  listed?: LastRun | undefined;
  commits?: Record<number, TrustedCommit>;
  ledger?: Record<number, LedgerEnd> | Error;
}

const mapOf = <T>(of: Record<number, T>) => new Map(Object.entries(of).map(([key, value]) => [Number(key), value]));

/** Resolves chain 0 of two. */
async function resolve({ runs = [], listed, commits = {}, ledger = {} }: World) {
  const asked: (number | undefined)[] = [];
  const { start, partitions } = await resolveChain(
    {
      lastRun: (_, scored) => {
        asked.push(scored);
        const run = scored === undefined ? undefined : runs.find(({ sequence }) => sequence === scored);
        return Promise.resolve(run ? { ...run, isScored: true } : listed);
      },
    },
    chainRef,
    {
      trusted: () => Promise.resolve(mapOf(commits)),
      ledgerEnds: () => (ledger instanceof Error ? Promise.reject(ledger) : Promise.resolve(mapOf(ledger))),
    },
    (partition) => partition % 2 === 0,
  );
  return { asked, start, partitions: Object.fromEntries(partitions) };
}

const away = new Error('no Postgres');
const end = (of: number, sequence: number, layout = 0): LedgerEnd => ({ end: of, layout, sequence });

describe('where a chain goes on', () => {
  test.each<[string, World, { sequence: number; after?: string; positions: Record<number, number> }]>([
    ['at the beginning when nobody knows it', {}, { sequence: 0, positions: {} }],
    [
      'behind the run of the highest committed number, whatever the commits of the other partitions say',
      { runs: [runOf(7, 40, 45), runOf(3, 10, 12)], commits: { 0: commitOf(12, 3), 2: commitOf(48, 7) } },
      { sequence: 8, after: 'run 7', positions: { 0: 45, 2: 50 } },
    ],
    [
      'behind that run also when a higher one is listed: the numbers between are tried, and found',
      { runs: [runOf(7, 40, 45)], listed: runOf(9, 60, 61), commits: { 0: commitOf(45, 7) } },
      { sequence: 8, after: 'run 7', positions: { 0: 45, 2: 50 } },
    ],
    [
      'behind that run also while the ledger is away',
      { runs: [runOf(7, 40, 45)], commits: { 0: commitOf(45, 7) }, ledger: away },
      { sequence: 8, after: 'run 7', positions: { 0: 45, 2: 50 } },
    ],
    [
      'behind the highest that is listed when nothing is committed',
      { listed: runOf(7, 40, 45) },
      { sequence: 8, after: 'run 7', positions: { 0: 45, 2: 50 } },
    ],
    [
      'behind the highest that is listed when that of the commits is gone',
      { listed: runOf(9, 40, 45), commits: { 0: commitOf(12, 3) }, ledger: away },
      { sequence: 10, after: 'run 9', positions: { 0: 45, 2: 50 } },
    ],
    [
      'at a listed run that is not known to be scored, under its own number, where it begins',
      { listed: runOf(7, 40, 45, { isScored: false }), commits: { 0: commitOf(40, 6) } },
      { sequence: 7, positions: { 0: 40, 2: 50 } },
    ],
    [
      'at a listed run whose number the ledger names: it was scored',
      { runs: [runOf(7, 40, 45)], listed: runOf(4, 10, 12, { isScored: false }), ledger: { 0: end(45, 7) } },
      { sequence: 8, after: 'run 7', positions: { 0: 45, 2: 50 } },
    ],
    [
      'above an older run that was left open while those behind it have passed the retention',
      { listed: runOf(4, 10, 12, { isScored: false }), commits: { 0: commitOf(45, 9) }, ledger: { 0: end(44, 8) } },
      { sequence: 10, positions: { 0: 45 } },
    ],
    [
      'where all runs are gone: of each partition the greater of commit and ledger, above the highest number',
      { commits: { 0: commitOf(45, 9), 2: commitOf(20, 5) }, ledger: { 0: end(30, 6), 2: end(25, 11) } },
      { sequence: 12, positions: { 0: 45, 2: 25 } },
    ],
    [
      'by the ledger alone: what it has of another layout tells positions and no number',
      { ledger: { 0: end(30, 6, 1), 2: end(25, 1) } },
      { sequence: 2, positions: { 0: 30, 2: 25 } },
    ],
    [
      'at first positions that were committed',
      { commits: { 0: commitOf(5, undefined, { first: true }), 2: commitOf(6, undefined, { first: true }) } },
      { sequence: 0, positions: { 0: 5, 2: 6 } },
    ],
    [
      'without what is of other chains',
      { commits: { 1: commitOf(90, 50), 0: commitOf(45, 9) }, ledger: { 3: end(70, 60) } },
      { sequence: 10, positions: { 0: 45 } },
    ],
    [
      'with a partition that the run lacks at its commit',
      { runs: [runOf(7, 40, 45)], commits: { 0: commitOf(45, 7), 4: commitOf(3, 7) } },
      { sequence: 8, after: 'run 7', positions: { 0: 45, 2: 50, 4: 3 } },
    ],
  ])('%s', async (_, world, expected) => {
    const { start } = await resolve(world);
    const { untouched: _untouched, ...rest } = start;
    expect(rest).toEqual(expected);
  });

  test.each<[string, World]>([
    ['nothing is committed and nothing is listed', {}],
    ['the run of the highest committed number is gone', { commits: { 0: commitOf(45, 9) } }],
    ['what is listed is older than what is committed', { listed: runOf(4, 10, 12), commits: { 0: commitOf(45, 9) } }],
  ])('it waits for the ledger when %s', async (_, world) => {
    await expect(resolve({ ...world, ledger: away })).rejects.toThrow('no Postgres');
  });

  test('it starts nothing, and asks for no run twice', async () => {
    expect((await resolve({ runs: [runOf(7, 40, 45)], commits: { 0: commitOf(45, 7) } })).asked).toEqual([7]);
    expect((await resolve({ commits: { 0: commitOf(45, 7) }, ledger: { 0: end(45, 7) } })).asked).toEqual([7]);
    expect((await resolve({ commits: { 0: commitOf(45, 7) }, ledger: { 0: end(49, 8) } })).asked).toEqual([7, 8]);
  });
});

describe('what of each partition is untouched, and which record must still be there', () => {
  test('the run has the first record of its ranges; for others the commit has one, where it is of the same position', async () => {
    const { partitions } = await resolve({
      runs: [runOf(7, 40, 45)],
      commits: { 0: commitOf(45, 7, { tail: markOf(44) }), 2: commitOf(50, 6, { tail: markOf(49) }) },
    });
    expect(partitions).toEqual({
      0: { position: 45, ofChain: true, tail: markOf(40) },
      2: { position: 50, ofChain: true, tail: markOf(49) },
    });
    const late = await resolve({ runs: [runOf(7, 40, 45)], commits: { 0: commitOf(45, 7), 2: commitOf(48, 6) } });
    expect(late.partitions[2]).toEqual({ position: 50, ofChain: true });
  });

  test('a first range of a run that comes again is first again', async () => {
    const run = runOf(7, 40, 45, { isScored: false, untouched: [2] });
    const first = { ...run, ranges: run.ranges.map((range) => ({ ...range, first: true as const })) };
    expect((await resolve({ listed: first })).start.untouched!.toSorted((a, b) => a - b)).toEqual([0, 2]);
    expect((await resolve({ listed: { ...first, isScored: true } })).start.untouched).toEqual([2]);
  });

  test('a first position is untouched, unless the ledger has something of the partition', async () => {
    const commits = { 0: commitOf(5, undefined, { first: true }), 2: commitOf(6, undefined, { first: true }) };
    expect((await resolve({ commits })).start.untouched).toEqual([0, 2]);
    expect((await resolve({ commits, ledger: { 2: end(6, 0) } })).start.untouched).toEqual([0]);
  });

  test('so is a partition that the run lacks', async () => {
    const commits = { 0: commitOf(45, 7), 4: commitOf(3, 7) };
    expect((await resolve({ runs: [runOf(7, 40, 45)], commits })).start.untouched).toEqual([4]);
  });
});
