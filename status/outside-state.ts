import type { Client } from '../temporal/connection.ts';
import { batchWorkflowId, type Chain } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { BatchMemo } from '../contracts/names.ts';
import { ageSeconds, openTransaction, type PartitionState, type Waiting } from '../contracts/partition-state.ts';
import { redriveCommand } from '../contracts/redrive-command.ts';
import { describeLatest, isIncomplete, isOpen } from '../temporal/runs.ts';
import type { LogEnds, LogReader } from '../kafka/log-reader.ts';
import { explainRun } from '../temporal/run-waits.ts';
import { asking } from '../contracts/timeouts.ts';

/** What is known of a partition whose bridge could not be asked. */
export interface OutsidePlace {
  chain: Chain;
  ends: LogEnds | Error;
  /** Where its batches end, as commits and the ledger have it; undefined when none has begun. */
  done: number | undefined;
  /** Members of the consumer group; undefined when that is not known. */
  members: number | undefined;
  groupId: string;
}

export interface OutsideSources {
  logs: Pick<LogReader, 'firstRecord' | 'timeAt'>;
  /** Undefined when Temporal does not answer. */
  temporal: Client | undefined;
}

/** Commits may be some batches behind what was scored. */
const batchesFollowedMax = 30;

/** How a partition stands by what Kafka, Temporal and the ledger know, without its bridge. Never rejects. */
export async function outsideState(
  { chain, ends, done, members, groupId }: OutsidePlace,
  sources: OutsideSources,
  nowMs: number,
): Promise<PartitionState> {
  const { pipeline, topic, partition } = chain;
  const place = { pipeline, topic, partition };
  if (ends instanceof Error) return { ...place, doneBelow: done, waiting: { kind: 'kafka', text: ends.message } };
  const from = Math.max(done ?? 0, ends.start);
  const known = { ...place, logEnd: ends.highWatermark, stableEnd: ends.end };
  try {
    const first = from < ends.end ? await sources.logs.firstRecord(topic, partition, from) : { noneBelow: from };
    if ('offset' in first) {
      const { waiting, doneBelow } = await whyItWaits(
        chain,
        from,
        first.offset,
        { members, groupId },
        sources.temporal,
        nowMs,
      );
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

async function whyItWaits(
  chain: Chain,
  from: number,
  offset: number,
  { members, groupId }: Pick<OutsidePlace, 'members' | 'groupId'>,
  temporal: Client | undefined,
  nowMs: number,
): Promise<{ waiting: Waiting; doneBelow: number }> {
  const found = temporal
    ? await followed(temporal, chain, from, nowMs)
    : { doneBelow: from, waiting: { kind: 'temporal', text: 'Temporal does not answer' } as const };
  if (members === 0) {
    const run = found.waiting?.text === undefined ? '' : `; ${found.waiting.text}`;
    return {
      doneBelow: found.doneBelow,
      waiting: {
        kind: 'no_bridge',
        text: `no bridge reads it: the consumer group ${groupId} has no members; start a bridge${run}`,
        offset,
      },
    };
  }
  const unknown: Waiting = {
    kind: 'unknown',
    text: `records wait from offset ${offset} on, and its bridge could not be asked: look at the bridge's log, and at HEADRACE_METRICS_TARGETS`,
  };
  return { doneBelow: found.doneBelow, waiting: { ...(found.waiting ?? unknown), offset } };
}

/** Goes from batch to batch, to the first that is not completed. */
async function followed(
  temporal: Client,
  chain: Chain,
  from: number,
  nowMs: number,
): Promise<{ doneBelow: number; waiting?: Waiting }> {
  let doneBelow = from;
  try {
    return await temporal.withDeadline(Date.now() + asking.temporalMs, async () => {
      for (let batches = 0; batches < batchesFollowedMax; batches++) {
        const run = await describeLatest(temporal, batchWorkflowId(chain, doneBelow));
        if (!run) return { doneBelow };
        if (isOpen(run.status.name))
          return {
            doneBelow,
            waiting: (await explainRun(temporal, run, nowMs))[0] ?? {
              kind: 'scoring' as const,
              text: `${run.workflowId} is under way`,
            },
          };
        if (isIncomplete(run.status.name))
          return {
            doneBelow,
            waiting: {
              kind: 'halted',
              text: `${run.workflowId} ended as ${run.status.name}; re-drive it: ${redriveCommand(run.workflowId)}`,
            },
          };
        const { end } = (run.memo ?? {}) as Partial<BatchMemo>;
        if (end === undefined || end <= doneBelow) return { doneBelow };
        doneBelow = end;
      }
      return { doneBelow };
    });
  } catch (error) {
    return { doneBelow, waiting: { kind: 'temporal', text: `Temporal does not answer: ${messageOf(error)}` } };
  }
}
