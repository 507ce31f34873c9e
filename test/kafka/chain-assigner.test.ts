import fc from 'fast-check';
import { AssignerProtocol, type Cluster } from 'kafkajs';
import { describe, expect, test } from 'vitest';
import { assignChains, createChainAssigner, type ChainMember } from '../../kafka/chain-assigner.ts';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;

const membersOf = (...owned: number[][]): ChainMember[] => owned.map((each, i) => ({ memberId: `m${i}`, owned: each }));
const assigned = (members: ChainMember[], chains: number) => Object.fromEntries(assignChains(members, chains));

describe('the chains of a group', () => {
  test('are spread evenly over members that had none', () => {
    expect(assigned(membersOf([], []), 5)).toEqual({ m0: [0, 2, 4], m1: [1, 3] });
  });

  test('stay where they were, as far as that is even', () => {
    expect(assigned(membersOf([1, 3], [0, 2]), 4)).toEqual({ m0: [1, 3], m1: [0, 2] });
    expect(assigned(membersOf([0, 1, 2, 3], []), 4)).toEqual({ m0: [0, 1], m1: [2, 3] });
    expect(assigned(membersOf([3, 1], [], [0, 2]), 4)).toEqual({ m0: [3, 1], m1: [2], m2: [0] });
  });

  test('a member that joins where there are more members than chains gets none, and takes none away', () => {
    expect(assigned(membersOf([], [1], [0]), 2)).toEqual({ m0: [], m1: [1], m2: [0] });
  });

  test('of two members that both say they had a chain one gets it', () => {
    expect(assigned(membersOf([0, 1], [0, 1]), 2)).toEqual({ m0: [0], m1: [1] });
  });

  const owned = fc.array(fc.oneof(fc.integer({ min: -2, max: 14 }), fc.maxSafeInteger()), { maxLength: 12 });
  const group = fc.array(owned, { minLength: 1, maxLength: 9 });
  const chainsMax = fc.integer({ min: 1, max: 12 });

  test('property: each is given exactly once and evenly, whatever members say, and the order of members means nothing', () => {
    fc.assert(
      fc.property(group, chainsMax, (each, chains) => {
        const members = membersOf(...each);
        const given = assignChains(members, chains);
        const all = [...given.values()].flat();
        expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: chains }, (_, chain) => chain));
        const counts = [...given.values()].map(({ length }) => length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        expect(Object.fromEntries(assignChains(members.toReversed(), chains))).toEqual(Object.fromEntries(given));
      }),
    );
  });

  test('property: what was even stays as it is', () => {
    fc.assert(
      fc.property(group, chainsMax, (each, chains) => {
        const before = assignChains(membersOf(...each), chains);
        const members = [...before].map(([memberId, theirs]) => ({ memberId, owned: theirs }));
        expect(assignChains(members, chains)).toEqual(before);
      }),
    );
  });
});

describe('the protocol of a group', () => {
  const clusterOf = (partitions: number, refreshed: () => void = () => {}) =>
    ({
      refreshMetadata: () => Promise.resolve(refreshed()),
      findTopicPartitionMetadata: () =>
        Array.from({ length: partitions }, (_, partitionId) => ({ partitionId })).toReversed(),
    }) as unknown as Cluster;
  const assignerOf = (cluster: Cluster, chains: number, owned: number[] = []) =>
    createChainAssigner(chains, () => owned)({ cluster } as Parameters<ReturnType<typeof createChainAssigner>>[0]);
  const metadataOf = (userData: Buffer) => MemberMetadata.encode({ version: 1, topics: ['t'], userData });
  const partitionsOf = async (cluster: Cluster, chains: number, metadata: Buffer[]) => {
    const members = metadata.map((memberMetadata, i) => ({ memberId: `m${i}`, memberMetadata }));
    const given = await assignerOf(cluster, chains).assign({ members, topics: ['t'] });
    return given.map(({ memberAssignment }) => MemberAssignment.decode(memberAssignment)!.assignment['t']);
  };

  test('has the number of chains in its name, so that members that differ cannot be in one group', () => {
    expect(assignerOf(clusterOf(1), 3).name).toBe('headrace-chains-1-3');
    expect(assignerOf(clusterOf(1), 3).protocol({ topics: ['t'] }).name).toBe('headrace-chains-1-3');
  });

  test('gives whole chains, of the partitions that the topic has now', async () => {
    let isFresh = false;
    const cluster = clusterOf(7, () => (isFresh = true));
    const nothing = metadataOf(Buffer.alloc(0));
    expect(await partitionsOf(cluster, 3, [nothing, nothing])).toEqual([
      [0, 2, 3, 5, 6],
      [1, 4],
    ]);
    expect(isFresh).toBe(true);
  });

  test('a member tells which chains it has, and keeps them', async () => {
    const own = assignerOf(clusterOf(6), 3, [1, 4]).protocol({ topics: ['t'] }).metadata;
    const nothing = metadataOf(Buffer.alloc(0));
    expect(await partitionsOf(clusterOf(6), 3, [nothing, nothing, own])).toEqual([
      [0, 3],
      [2, 5],
      [1, 4],
    ]);
  });

  test('property: nonsense in what a member tells gives each partition to exactly one member', async () => {
    const told = fc.oneof(
      fc.uint8Array({ maxLength: 20 }).map((bytes) => metadataOf(Buffer.from(bytes))),
      fc.json().map((text) => metadataOf(Buffer.from(text))),
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(told, { minLength: 1, maxLength: 5 }), async (metadata) => {
        const all = (await partitionsOf(clusterOf(8), 4, metadata)).flat();
        expect(all.toSorted((a, b) => a! - b!)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      }),
    );
  });
});
