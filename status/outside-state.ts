import type { PartitionRef } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import { ageSeconds, openTransaction, type PartitionState, type Waiting } from '../contracts/partition-state.ts';
import type { LogEnds, LogReader } from '../kafka/log-reader.ts';
import type { ChainState } from './follow-chain.ts';

/** What is known of a partition whose bridge could not be asked. */
export interface OutsidePlace {
  partition: PartitionRef;
  ends: LogEnds | Error;
  /** Where its batches end, as commits and the ledger have it; undefined when none has begun. */
  done: number | undefined;
  /** Members of the consumer group; undefined when that is not known. */
  members: number | undefined;
  groupId: string;
}

export interface OutsideSources {
  logs: Pick<LogReader, 'firstRecord' | 'timeAt'>;
  /** How the partition's chain stands. Never rejects. */
  chain: () => Promise<ChainState>;
}

/** How a partition stands by what Kafka, Temporal and the ledger know, without its bridge. Never rejects. */
export async function outsideState(
  { partition: ref, ends, done, members, groupId }: OutsidePlace,
  sources: OutsideSources,
  nowMs: number,
): Promise<PartitionState> {
  const { pipeline, topic, partition } = ref;
  const place = { pipeline, topic, partition };
  if (ends instanceof Error) return { ...place, doneBelow: done, waiting: { kind: 'kafka', text: ends.message } };
  const from = Math.max(done ?? 0, ends.start);
  const known = { ...place, logEnd: ends.highWatermark, stableEnd: ends.end };
  try {
    const first = from < ends.end ? await sources.logs.firstRecord(topic, partition, from) : { noneBelow: from };
    if ('offset' in first) {
      const { positions, waiting: found } = await sources.chain();
      const waiting = whyItWaits(found, first.offset, { members, groupId });
      const doneBelow = Math.max(from, positions[partition] ?? 0);
      return {
        ...known,
        doneBelow,
        lag: Math.max(0, ends.highWatermark - doneBelow),
        oldestSeconds: ageSeconds(first.timeMs, nowMs),
        waiting,
      };
    }
    const doneBelow = Math.max(from, first.noneBelow);
    const lag = Math.max(0, ends.highWatermark - doneBelow);
    if (lag === 0) return { ...known, doneBelow, lag, waiting: { kind: 'records' } };
    const oldestSeconds = ageSeconds(await sources.logs.timeAt(topic, partition, ends.end), nowMs);
    return {
      ...known,
      doneBelow,
      lag,
      oldestSeconds,
      waiting: { ...openTransaction(ends.end), ...(oldestSeconds === undefined ? {} : { forSeconds: oldestSeconds }) },
    };
  } catch (error) {
    // At most so many: whether they are records could not be looked at.
    return {
      ...known,
      doneBelow: from,
      lag: ends.highWatermark - from,
      waiting: { kind: 'unknown', text: messageOf(error) },
    };
  }
}

function whyItWaits(
  found: Waiting | undefined,
  offset: number,
  { members, groupId }: Pick<OutsidePlace, 'members' | 'groupId'>,
): Waiting {
  if (members === 0) {
    const run = found?.text === undefined ? '' : `; ${found.text}`;
    return {
      kind: 'no_bridge',
      text: `no bridge reads it: the consumer group ${groupId} has no members; start a bridge${run}`,
      offset,
    };
  }
  const unknown: Waiting = {
    kind: 'unknown',
    text: `records wait from offset ${offset} on, and its bridge could not be asked: look at the bridge's log, and at HEADRACE_METRICS_TARGETS`,
  };
  return { ...(found ?? unknown), offset };
}
