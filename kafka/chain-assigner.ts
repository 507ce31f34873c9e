import { AssignerProtocol, type Cluster, type PartitionAssigner } from 'kafkajs';
import { chainOf } from '../contracts/event-key.ts';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;
/** Of what members tell each other. */
const version = 1;

/** A member of a group, and the chains that it had. */
export interface ChainMember {
  memberId: string;
  owned: readonly number[];
}

/**
 * Gives each chain to a member: evenly, and to the one that had it where that is even. With more members than chains some get none. The
 * same for everybody who asks.
 */
export function assignChains(members: readonly ChainMember[], chains: number): Map<string, number[]> {
  const sorted = members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const assigned = new Map(sorted.map(({ memberId }): [string, number[]] => [memberId, []]));
  const left = new Set(Array.from({ length: chains }, (_, chain) => chain));
  const give = (memberId: string, chain: number) => {
    assigned.get(memberId)!.push(chain);
    left.delete(chain);
  };
  const least = Math.floor(chains / sorted.length);
  // So many members have one more.
  let larger = chains % sorted.length;
  for (const { memberId, owned } of sorted) {
    const kept = [...new Set(owned)].filter((chain) => left.has(chain)).slice(0, least + (larger > 0 ? 1 : 0));
    if (kept.length > least) larger--;
    for (const chain of kept) give(memberId, chain);
  }
  for (const chain of left) {
    const next = sorted.reduce((few, each) =>
      assigned.get(each.memberId)!.length < assigned.get(few.memberId)!.length ? each : few,
    );
    give(next.memberId, chain);
  }
  return assigned;
}

/**
 * The protocol of our consumer groups: whole chains for each member. Its name has the number of chains, so that the brokers refuse a member
 * that counts them differently, or one that is not ours.
 *
 * @param owned the partitions that this member has now
 */
export function createChainAssigner(chains: number, owned: () => readonly number[]): PartitionAssigner {
  const name = `headrace-chains-${version}-${chains}`;
  const isInChains = (partition: number, theirs: readonly number[]) => theirs.includes(chainOf(partition, chains));
  return ({ cluster }) => ({
    name,
    version,
    async assign({ members, topics }) {
      // Partitions may have been added since; the leader alone decides, so it has to know.
      await (cluster as Cluster & { refreshMetadata(): Promise<void> }).refreshMetadata();
      const byMember = assignChains(
        members.map(({ memberId, memberMetadata }) => ({ memberId, owned: ownedIn(memberMetadata) })),
        chains,
      );
      return members.map(({ memberId }) => {
        const partitionsOf = (topic: string) =>
          cluster
            .findTopicPartitionMetadata(topic)
            .map(({ partitionId }) => partitionId)
            .filter((partition) => isInChains(partition, byMember.get(memberId)!))
            .toSorted((a, b) => a - b);
        const assignment = Object.fromEntries(topics.map((topic) => [topic, partitionsOf(topic)]));
        return { memberId, memberAssignment: MemberAssignment.encode({ version, assignment, userData: noData }) };
      });
    },
    protocol({ topics }) {
      const chainsOwned = [...new Set(owned().map((partition) => chainOf(partition, chains)))];
      return { name, metadata: MemberMetadata.encode({ version, topics, userData: encodeOwned(chainsOwned) }) };
    },
  });
}

const noData = Buffer.alloc(0);

function encodeOwned(chains: readonly number[]): Buffer {
  return Buffer.from(JSON.stringify(chains));
}

/** The chains that a member says it had; none when what it says makes no sense. */
function ownedIn(memberMetadata: Buffer): number[] {
  try {
    const owned: unknown = JSON.parse(MemberMetadata.decode(memberMetadata)!.userData.toString());
    return Array.isArray(owned) ? owned.filter((chain) => Number.isSafeInteger(chain)) : [];
  } catch {
    return [];
  }
}
