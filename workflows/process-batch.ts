import { CancellationScope, condition, defineUpdate, setCurrentDetails, setHandler, sleep, upsertSearchAttributes } from '@temporalio/workflow';
import type { DecisionsHeader } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { decodeFrameHeader } from '../contracts/frame.ts';
import { scoredUpdateName, type ScoredReply } from '../contracts/names.ts';
import { hereOrDurably, scoreDurably, scoreHere } from './batch-steps.ts';
import { batchAttributes, batchDetails } from './batch-view.ts';
import { deliverToAll } from './deliver-to-all.ts';

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
    { description: 'Answers with the range of this batch as soon as its decisions are in history. Asked by the bridge.' },
  );

  return CancellationScope.nonCancellable(async () => {
    // 1. Features, then predictions and decisions. Both are in history before anything outside sees them.
    setCurrentDetails(batchDetails(batch, 'extracting features'));
    await hereOrDurably(
      () => scoreHere.extractFeatures(batch, records),
      () => scoreDurably.extractFeatures(batch, records),
    );
    setCurrentDetails(batchDetails(batch, 'asking the model'));
    // Recorded with the decisions: which way a run goes on is what its own code asked for, whatever version of a worker answers.
    const asked = { deliverTogether: true } as const;
    const decisions = await hereOrDurably(
      () => scoreHere.infer(batch, asked),
      () => scoreDurably.infer(batch, asked),
    );
    const decided = decodeFrameHeader<DecisionsHeader>(decisions);
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
