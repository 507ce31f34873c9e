import { describe, expect, test } from 'vitest';
import {
  activeCommits,
  idleMs,
  leastWatermark,
  withProgress,
  type ProgressMarker,
} from '../../features/marker-progress.ts';

const retentionMs = 3_600_000;

/** Partitions that commit in turn: each step is a partition and its watermark from then on. */
function walk(steps: Iterable<readonly [partition: string, watermarkMs: number | null]>): {
  partitions: Map<string, ProgressMarker>;
  commit: number;
  least: () => number | null;
} {
  const partitions = new Map<string, ProgressMarker>();
  let commit = 0;
  for (const [partition, watermarkMs] of steps) {
    commit++;
    const others = [...partitions].flatMap(([id, marker]) => (id === partition ? [] : [marker]));
    partitions.set(
      partition,
      withProgress({ position: commit, watermarkMs }, partitions.get(partition), others, commit),
    );
  }
  return { partitions, commit, least: () => leastWatermark([...partitions.values()], commit, retentionMs) };
}

/** `count` commits of a partition from one time to another. */
const steps = (partition: string, count: number, fromMs: number, toMs: number) =>
  Array.from({ length: count }, (_, i) => [partition, fromMs + ((toMs - fromMs) * (i + 1)) / count] as const);
const farMs = retentionMs + idleMs + 1;

describe('the least watermark that counts', () => {
  test('is that of the slowest partition', () => {
    expect(
      walk([
        ['a', 500],
        ['b', 100],
        ['a', 900],
      ]).least(),
    ).toBe(100);
    expect(walk([]).least()).toBeNull();
  });

  test('leaves out a partition that others went on without, far enough in commits and in event time', () => {
    const far = (count: number, toMs: number) => walk([['a', 0], ['idle', 0], ...steps('a', count, 0, toMs)]).least();
    expect(far(activeCommits + 1, farMs)).toBe(farMs);
    expect(far(activeCommits, farMs)).toBe(0);
    expect(far(activeCommits + 1, farMs - 1)).toBe(0);
  });

  test('counts a partition again once it goes on', () => {
    expect(walk([['a', 0], ['idle', 0], ...steps('a', activeCommits + 1, 0, farMs), ['idle', 7]]).least()).toBe(7);
  });

  test('counts a slow partition, however far behind it was before it paused', () => {
    expect(
      walk([['a', 10 * farMs], ['slow', 0], ...steps('a', activeCommits + 1, 10 * farMs, 10 * farMs + 1_000)]).least(),
    ).toBe(0);
  });

  test('is not moved by one event from the far future', () => {
    const busy = Array.from(
      { length: activeCommits + 1 },
      (_, i) => [i % 2 ? 'a' : 'b', i % 2 ? 9e14 : 1_000 + i] as const,
    );
    expect(walk([['c', 500], ...busy]).least()).toBe(500);
  });

  test('waits for a new partition that has seen no event, but not for ever', () => {
    expect(walk([['none', null], ...steps('a', activeCommits, 0, 100)]).least()).toBeNull();
    expect(walk([['none', null], ...steps('a', activeCommits, 0, 100), ['none', null]]).least()).toBe(100);
  });

  test('nothing is forgotten while a partition is new whose watermark rests on few events', () => {
    const marker = (seen: number): ProgressMarker => ({
      position: 1,
      watermarkMs: 7 * farMs,
      trend: { seen },
      firstCommit: 1,
      lastCommit: 9,
      othersMs: null,
    });
    expect(leastWatermark([marker(31)], 9, retentionMs)).toBeNull();
    expect(leastWatermark([marker(32)], 9, retentionMs)).toBe(7 * farMs);
    // It must not hold back its pipeline for ever.
    expect(leastWatermark([marker(31)], activeCommits + 2, retentionMs)).toBe(7 * farMs);
  });
});
