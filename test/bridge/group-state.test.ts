import { describe, expect, test } from 'vitest';
import { encodeCommitMetadata } from '../../bridge/commit-metadata.ts';
import { createGroupState } from '../../bridge/first-positions.ts';
import type { Commit } from '../../kafka/source.ts';
import type { LastStarted } from '../../temporal/starter.ts';
import { FakeSource } from './fakes.ts';

const chain = { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't' };
const none: Commit = { offset: null, metadata: null };

/** A source of a topic whose partitions hold these logs, and a group with these commits. */
function sourceOf(logs: { start: number; end: number }[], commits: Commit[]) {
  const source = new FakeSource();
  const requests: { offsets: [number, number][]; metadata: string }[] = [];
  source.bounds = () => Promise.resolve(new Map(logs.map((log, partition) => [partition, log])));
  source.committed = () => Promise.resolve(new Map(commits.map((commit, partition) => [partition, commit])));
  source.commitAll = async (offsets, metadata) => void requests.push({ offsets: [...offsets], metadata });
  return { source, requests };
}

const groupState = (
  source: FakeSource,
  startAt: string,
  last: (partition: number) => LastStarted | undefined = () => undefined,
) => createGroupState(source, ({ partition }) => Promise.resolve(last(partition)), { chain, epoch: 0, startAt });

describe('where a partition begins that was never committed', () => {
  const logs = [
    { start: 3, end: 10 },
    { start: 0, end: 20 },
  ];

  test('on a new topic, "latest" commits the ends of all partitions in one request, however many ask', async () => {
    const { source, requests } = sourceOf(logs, [none, none]);
    const group = groupState(source, 'latest');
    expect(await Promise.all([group.firstPosition(0), group.firstPosition(1)])).toEqual([10, 20]);
    expect(requests).toEqual([
      {
        offsets: [
          [0, 10],
          [1, 20],
        ],
        metadata: encodeCommitMetadata({ epoch: 0, head: true }),
      },
    ]);
  });

  test('on a new topic, a time is looked up in each partition', async () => {
    const { source, requests } = sourceOf(logs, [none, none]);
    source.offsetAt = (partition) => Promise.resolve(partition + 7);
    expect(await groupState(source, '2026-01-01T00:00:00Z').firstPosition(1)).toBe(8);
    expect(requests[0]!.offsets).toEqual([
      [0, 7],
      [1, 8],
    ]);
  });

  test.each(['latest', '2026-01-01T00:00:00Z'])(
    'one that was added later begins at its earliest record, also with "%s"',
    async (startAt) => {
      const { source, requests } = sourceOf(logs, [{ offset: 5, metadata: encodeCommitMetadata({ epoch: 0 }) }, none]);
      expect(await groupState(source, startAt).firstPosition(1)).toBe(0);
      expect(requests).toEqual([]);
    },
  );

  test('one without a batch begins at its earliest record when Kafka has forgotten the commits of the others', async () => {
    const { source, requests } = sourceOf(logs, [none, none]);
    const group = groupState(source, 'latest', (partition) =>
      partition === 1 ? { position: 4, end: 6, head: false } : undefined,
    );
    expect(await group.firstPosition(0)).toBe(3);
    expect(requests).toEqual([]);
  });

  test('a commit that kafkajs has replaced by its default counts as well', async () => {
    const { source } = sourceOf(logs, [{ offset: -2, metadata: null }, none]);
    expect(await groupState(source, 'latest').firstPosition(1)).toBe(0);
  });

  test('a request that fails begins nothing, and is made again', async () => {
    const { source, requests } = sourceOf(logs, [none, none]);
    const { commitAll } = source;
    source.commitAll = () => Promise.reject(new Error('no coordinator'));
    const group = groupState(source, 'latest');
    await expect(group.firstPosition(0)).rejects.toThrow('no coordinator');
    source.commitAll = commitAll;
    expect(await group.firstPosition(0)).toBe(10);
    expect(requests).toHaveLength(1);
  });

  test('"earliest" asks for nothing but the log', async () => {
    const { source, requests } = sourceOf(logs, [none, none]);
    source.committed = () => Promise.reject(new Error('not to be asked'));
    expect(await groupState(source, 'earliest').firstPosition(0)).toBe(3);
    expect(requests).toEqual([]);
  });
});
