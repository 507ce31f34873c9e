import type { Chain } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import { recordTimeMs } from '../contracts/record-time.ts';
import { encodeRecords } from '../contracts/records-frame.ts';
import { stubOf } from '../kafka/record.ts';
import { waitText } from '../contracts/partition-state.ts';
import { recordHash } from './commit-metadata.ts';
import { smallerCut, type BatchCaps, type Cut, type Lane } from './lane.ts';
import type { PartitionStatus } from './partition-status.ts';
import type { BatchStart, StartAnswer, Starter } from '../temporal/starter.ts';
import type { Clock } from './clock.ts';

/** Tries that are usual under load, and not worth a question. */
const unexplainedTries = 2;

export interface StartBatchOptions {
  chain: Chain;
  caps: BatchCaps;
  /** Bound on one start attempt. At most a sixth of the session time-out, so that the group never waits for Temporal. */
  startDeadlineMs: number;
}

export interface StartBatchPorts {
  starter: Starter;
  clock: Clock;
}

/** A cut of the lane, and where the run that exists at its position ends. */
export interface ScoredBatch {
  cut: Cut;
  end: number;
}

/**
 * Starts the lane's next batch, however long that takes: with the same ids after an unknown answer, smaller after one that was
 * refused for its size. Undefined when the lane is empty, or when the partition was over before the answer came.
 */
export async function startBatch(
  { starter, clock }: StartBatchPorts,
  lane: Lane,
  head: boolean,
  status: PartitionStatus,
  options: StartBatchOptions,
): Promise<ScoredBatch | undefined> {
  let cut = lane.cut(options.caps);
  let start = cut && startOf(options.chain, cut, head, clock.wallMs());
  for (let tries = 0; cut && start && !status.isOver; tries++) {
    const answer = await tryStart(starter, start, options.startDeadlineMs);
    if (status.isOver) return undefined;
    const smaller: Cut | undefined = answer.kind === 'too_large' ? smallerCut(lane, cut) : undefined;
    if (answer.kind === 'scored') return { cut, end: answer.end };
    if (answer.kind === 'blocked') await status.blocked(answer.reason, cut.position);
    else if (smaller) start = startOf(options.chain, (cut = smaller), head, clock.wallMs());
    else {
      const why =
        tries < unexplainedTries
          ? undefined
          : await starter.explain(options.chain, start.position, options.startDeadlineMs).catch(() => undefined);
      await status.backOff(why?.kind ?? 'temporal', why ? waitText({ ...why, by: undefined }) : answer.reason, tries);
    }
  }
  return undefined;
}

function tryStart(starter: Starter, start: BatchStart, deadlineMs: number): Promise<StartAnswer> {
  return starter.start(start, deadlineMs).catch((error: unknown) => ({ kind: 'unknown', reason: messageOf(error) }));
}

function startOf(chain: Chain, cut: Cut, head: boolean, clockMs: number): BatchStart {
  const range = { position: cut.position, end: cut.end, count: cut.records.length };
  const records = encodeRecords(
    { ...chain, ...range, ...(head ? { head: true } : {}) },
    cut.asStub ? cut.records.map(stubOf) : cut.records,
    clockMs,
  );
  const first = cut.records[0]!;
  return {
    chain,
    ...range,
    head,
    records,
    first: { offset: first.offset, hash: recordHash(first) },
    firstRecordMs: recordTimeMs(first),
  };
}
