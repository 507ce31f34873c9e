import { describe, expect, test } from 'vitest';
import { Committer } from '../../bridge/committer.ts';
import { until } from '../live/wait.ts';
import { instantClock } from './fakes.ts';

/** A committer whose commits end when they are told to. */
function createCommitter() {
  const sent: { offset: number; end(error?: Error): void }[] = [];
  const failed: number[] = [];
  const abort = new AbortController();
  const send = (offset: number) =>
    new Promise<void>((resolve, reject) => {
      sent.push({ offset, end: (error) => (error ? reject(error) : resolve()) });
    });
  const committer = new Committer(
    { clock: instantClock, send, failed: (offset) => void failed.push(offset) },
    abort.signal,
  );
  return { committer, sent, failed, abort };
}

describe('a committer', () => {
  test('sends one commit at a time, and of those that wait only the last', async () => {
    const { committer, sent } = createCommitter();
    for (const offset of [1, 2, 3]) committer.commit(offset, '');
    expect(sent.map(({ offset }) => offset)).toEqual([1]);
    sent[0]!.end();
    await until('the last', () => sent.length === 2, { everyMs: 1 });
    sent[1]!.end();
    await committer.settled();
    expect(sent.map(({ offset }) => offset)).toEqual([1, 3]);
    committer.commit(4, '');
    expect(sent.at(-1)!.offset).toBe(4);
  });

  test('sends one that failed again, unless there is a newer one', async () => {
    const { committer, sent, failed } = createCommitter();
    committer.commit(1, '');
    sent[0]!.end(new Error('no broker'));
    await until('again', () => sent.length === 2, { everyMs: 1 });
    committer.commit(2, '');
    sent[1]!.end(new Error('no broker'));
    await until('the newer one', () => sent.length === 3, { everyMs: 1 });
    sent[2]!.end();
    await committer.settled();
    expect(sent.map(({ offset }) => offset)).toEqual([1, 1, 2]);
    expect(failed).toEqual([1, 1]);
  });

  test('sends nothing more once its partition is given away', async () => {
    const { committer, sent, abort } = createCommitter();
    committer.commit(1, '');
    committer.commit(2, '');
    abort.abort();
    sent[0]!.end(new Error('not a member'));
    await committer.settled();
    expect(sent).toHaveLength(1);
  });
});
