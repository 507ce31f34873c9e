import { messageOf } from '../contracts/failures.ts';
import { withoutMarks, type MarkedRange } from '../contracts/names.ts';
import { waitText } from '../contracts/partition-state.ts';
import { recordTimeMs } from '../contracts/record-time.ts';
import { encodeRecords } from '../contracts/records-frame.ts';
import { stubOf } from '../kafka/record.ts';
import type { BatchStart, StartAnswer, Starter } from '../temporal/starter.ts';
import { cutChain, smallerCut, type ChainCut, type FilledLane } from './chain-cut.ts';
import type { ChainProgress } from './chain-progress.ts';
import type { ChainStatus } from './work-status.ts';
import type { Clock } from './clock.ts';
import { recordHash } from './commit-metadata.ts';
import type { BatchCaps } from './lane.ts';

/** Tries that are usual under load, and not worth a question. */
const unexplainedTries = 2;

export interface StartBatchOptions {
  /** In how many chains the topic is. */
  chains: number;
  caps: BatchCaps;
  /** Bound on one start attempt. At most a sixth of the session time-out, so that the group never waits for Temporal. */
  startDeadlineMs: number;
}

export interface StartBatchPorts {
  starter: Starter;
  clock: Clock;
}

/** What was cut of the lanes, and what the run holds that exists under the batch's number. */
export interface ScoredBatch {
  cut: ChainCut;
  reply: Extract<StartAnswer, { kind: 'scored' }>;
}

/**
 * Starts the chain's next batch, however long that takes: with the same ids after an unknown answer, smaller after one that was
 * refused for its size. Undefined when the lanes are empty, or when the chain was over before the answer came.
 */
export async function startBatch(
  { starter, clock }: StartBatchPorts,
  lanes: readonly FilledLane[],
  progress: ChainProgress,
  status: ChainStatus,
  options: StartBatchOptions,
): Promise<ScoredBatch | undefined> {
  const { ref } = progress;
  let cut = cutChain(lanes, options.caps);
  let start = cut && startOf(progress, cut, options.chains, clock.wallMs());
  let again = false;
  for (let tries = 0; cut && start && !status.isOver; tries++) {
    const answer = await tryStart(starter, start, options.startDeadlineMs, again);
    if (status.isOver) return undefined;
    again ||= answer.kind === 'unknown';
    const smaller: ChainCut | undefined = answer.kind === 'too_large' ? smallerCut(lanes, cut) : undefined;
    if (answer.kind === 'scored') return { cut, reply: answer };
    if (answer.kind === 'blocked') await status.blocked(answer.reason);
    else if (smaller) start = startOf(progress, (cut = smaller), options.chains, clock.wallMs());
    else {
      const why =
        tries < unexplainedTries
          ? undefined
          : await starter.explain(ref, start.sequence, options.startDeadlineMs).catch(() => undefined);
      await status.backOff(why?.kind ?? 'temporal', why ? waitText({ ...why, by: undefined }) : answer.reason, tries);
    }
  }
  return undefined;
}

function tryStart(starter: Starter, start: BatchStart, deadlineMs: number, again: boolean): Promise<StartAnswer> {
  return starter
    .start(start, deadlineMs, again)
    .catch((error: unknown) => ({ kind: 'unknown', reason: messageOf(error) }));
}

function startOf(progress: ChainProgress, cut: ChainCut, chains: number, clockMs: number): BatchStart {
  const { ref, sequence, after } = progress;
  for (const { partition, position } of cut.ranges)
    if (position !== progress.position(partition))
      throw new Error(
        `the lane of partition ${partition} is at ${position}, and its chain at ${progress.position(partition)}`,
      );
  const ranges = cut.ranges.map(
    ({ partition, position, end, records }): MarkedRange => ({
      partition,
      position,
      end,
      count: records.length,
      ...(progress.isUntouched(partition) ? { first: true } : {}),
      mark: { offset: records[0]!.offset, hash: recordHash(records[0]!) },
    }),
  );
  const records = cut.ranges.flatMap((range) => range.records);
  const times = records.map(recordTimeMs).filter((time) => time !== undefined);
  return {
    chain: ref,
    chains,
    sequence,
    after,
    ranges,
    ...progress.behind(ranges),
    records: encodeRecords(
      { ...ref, sequence, ranges: withoutMarks(ranges) },
      cut.asStub ? records.map(stubOf) : records,
      clockMs,
    ),
    firstRecordMs: times.length === 0 ? undefined : times.reduce((least, time) => Math.min(least, time)),
  };
}
