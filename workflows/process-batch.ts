import {
  CancellationScope,
  condition,
  defineUpdate,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { DecisionsHeader } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { decodeFrameHeader } from '../contracts/frame.ts';
import { scoredUpdateName, type ScoredReply } from '../contracts/names.ts';
import { decodeScored } from '../contracts/scored-frame.ts';
import { hereOrDurably, inferDurably, scoreDurably, scoreHere } from './batch-steps.ts';
import { batchAttributes, batchDetails } from './batch-view.ts';
import { deliverToAll } from './deliver-to-all.ts';

/** Recorded with what was answered: which way a run goes on is what its own code asked for, whatever version of a worker answers. */
const asked = { decide: true, deliverTogether: true } as const;
const scoring = { summary: 'features and decisions' };

export const scoredUpdate = defineUpdate<ScoredReply>(scoredUpdateName);

/** What a finished run shows: how many rows each sink took. */
export interface BatchResult {
  outcomes: Record<string, number>;
  delivered: Record<string, number>;
}

/**
 * Decides one batch and delivers the decisions. Two workflow tasks when all goes well: the first scores, the second delivers.
 * Everything that is policy or model is recorded data that activities computed, so a changed threshold never breaks a replay.
 * There is no time-out, and cancelling has no effect: a batch that was started is finished.
 */
export async function processBatch(batch: BatchRef, records: Uint8Array): Promise<BatchResult> {
  let reply: ScoredReply | undefined;
  setHandler(
    scoredUpdate,
    async () => {
      await condition(() => reply !== undefined);
      return reply!;
    },
    {
      description: 'Answers with the range of this batch as soon as its decisions are in history. Asked by the bridge.',
    },
  );

  return CancellationScope.nonCancellable(async () => {
    // 1. Features, then predictions and decisions. Both are in history before anything outside sees them.
    const decided = await score(batch, records);
    // Runs of before told visibility here; see deliverToAll.
    if (!decided.deliverTogether) upsertSearchAttributes(batchAttributes(decided));

    // 2. Let the lane go on. The timer ends this workflow task: an update is answered only when its task is, and the sinks'
    //    local activities would otherwise belong to it and hold the answer back.
    reply = { position: batch.position, end: batch.end, count: batch.count };
    await sleep(1, { summary: 'ends the scoring task' });

    // 3. Every sink, side by side.
    const delivered = await deliverToAll(batch, decided);
    return { outcomes: decided.outcomeCounts, delivered };
  });
}

/** Returns what of the decisions the rest of the run needs. The frames stay in history, and not in the run's memory. */
async function score(batch: BatchRef, records: Uint8Array): Promise<DecisionsHeader> {
  setCurrentDetails(batchDetails(batch, 'scoring'));
  const { decisions } = decodeScored(
    await hereOrDurably(
      () => scoreHere.extractFeatures.executeWithOptions(scoring, [batch, records, asked]),
      () => scoreDurably.extractFeatures.executeWithOptions(scoring, [batch, records, asked]),
    ),
  );
  return decodeFrameHeader<DecisionsHeader>(decisions ?? (await askModel(batch)));
}

/** When the model did not answer at once; and in runs of before, which never asked for both in one step. */
function askModel(batch: BatchRef): Promise<Uint8Array> {
  setCurrentDetails(batchDetails(batch, 'asking the model'));
  return hereOrDurably(
    () => scoreHere.infer(batch, asked),
    () => inferDurably.infer(batch, asked),
  );
}
