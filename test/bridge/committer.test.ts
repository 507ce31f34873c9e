import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { Committer } from '../../bridge/committer.ts';
import type { PartitionCommit } from '../../kafka/source.ts';
import { until } from '../live/wait.ts';
import { instantClock } from './fakes.ts';

const commitOf = (partition: number, offset: number): PartitionCommit => ({ partition, offset, metadata: '' });

/** A committer whose requests end when they are told to. */
function createCommitter() {
  const sent: { offsets: [partition: number, offset: number][]; end(error?: Error): void }[] = [];
  const failed: [partition: number, offset: number][] = [];
  const abort = new AbortController();
  const committer = new Committer(
    {
      clock: instantClock,
      send: (commits) =>
        new Promise<void>((resolve, reject) => {
          sent.push({
            offsets: commits.map(({ partition, offset }) => [partition, offset]),
            end: (error) => (error ? reject(error) : resolve()),
          });
        }),
      failed: ({ partition, offset }) => void failed.push([partition, offset]),
    },
    abort.signal,
  );
  const commit = (...offsets: [partition: number, offset: number][]) =>
    committer.commit(offsets.map(([partition, offset]) => commitOf(partition, offset)));
  const offsets = () => sent.map((each) => each.offsets);
  const untilSent = (count: number) => until(`request ${count}`, () => sent.length === count, { everyMs: 1 });
  return { committer, commit, sent, offsets, untilSent, failed, abort };
}

describe('a committer', () => {
  test('sends one request at a time, and of those of a partition that wait only the last', async () => {
    const { committer, commit, sent, offsets, untilSent } = createCommitter();
    for (const offset of [1, 2, 3]) commit([0, offset]);
    expect(offsets()).toEqual([[[0, 1]]]);
    sent[0]!.end();
    await untilSent(2);
    sent[1]!.end();
    await committer.settled();
    expect(offsets()).toEqual([[[0, 1]], [[0, 3]]]);
    commit([0, 4]);
    expect(offsets().at(-1)).toEqual([[0, 4]]);
  });

  test('sends what waits of all partitions in one request', async () => {
    const { committer, commit, sent, offsets, untilSent } = createCommitter();
    commit([0, 1]);
    commit([0, 2], [1, 7]);
    commit([2, 9], [1, 8]);
    sent[0]!.end();
    await untilSent(2);
    sent[1]!.end();
    await committer.settled();
    expect(offsets()[1]!.toSorted(([a], [b]) => a - b)).toEqual([
      [0, 2],
      [1, 8],
      [2, 9],
    ]);
    expect(sent).toHaveLength(2);
  });

  test('sends one that failed again, unless there is a newer one', async () => {
    const { committer, commit, sent, offsets, untilSent, failed } = createCommitter();
    commit([0, 1]);
    sent[0]!.end(new Error('no broker'));
    await untilSent(2);
    commit([0, 2]);
    sent[1]!.end(new Error('no broker'));
    await untilSent(3);
    sent[2]!.end();
    await committer.settled();
    expect(offsets()).toEqual([[[0, 1]], [[0, 1]], [[0, 2]]]);
    expect(failed).toEqual([
      [0, 1],
      [0, 1],
    ]);
  });

  test('after a refusal each partition goes by itself, and only those that were refused go again', async () => {
    const { committer, commit, sent, offsets, untilSent, failed } = createCommitter();
    commit([0, 1], [1, 7], [2, 9]);
    sent[0]!.end(new Error('a partition was refused'));
    for (const [at, error] of [undefined, new Error('refused'), undefined].entries()) {
      await untilSent(at + 2);
      sent[at + 1]!.end(error);
    }
    await untilSent(5);
    expect(offsets().slice(1)).toEqual([[[0, 1]], [[1, 7]], [[2, 9]], [[1, 7]]]);
    expect(failed).toEqual([[1, 7]]);
    sent[4]!.end();
    await committer.settled();
  });

  test('leaves no trace of its requests on the signal of its chain', async () => {
    const { committer, commit, sent, untilSent, abort } = createCommitter();
    // What AbortSignal.any makes of a signal is noted there by Node, and never removed.
    const traces = () => {
      const dependants = Object.getOwnPropertySymbols(abort.signal).find(
        ({ description }) => description === 'kDependantSignals',
      );
      const noted = dependants && (abort.signal as unknown as Record<symbol, Set<unknown> | undefined>)[dependants];
      return (noted?.size ?? 0) + getEventListeners(abort.signal, 'abort').length;
    };
    const before = traces();
    for (let count = 1; count <= 20; count++) {
      commit([0, count]);
      await untilSent(count);
      sent[count - 1]!.end();
    }
    await committer.settled();
    expect(traces()).toBe(before);
  });

  test('sends nothing more once its chain is given away', async () => {
    const { committer, commit, sent, abort } = createCommitter();
    commit([0, 1], [1, 7]);
    commit([0, 2]);
    abort.abort();
    sent[0]!.end(new Error('not a member'));
    await committer.settled();
    expect(sent).toHaveLength(1);
  });
});
