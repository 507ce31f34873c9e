import { CancellationScope, condition, defineUpdate, setHandler, sleep } from '@temporalio/workflow';
import type { DecisionsHeader } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { decodeFrameHeader } from '../contracts/frame.ts';
import { scoredUpdateName, type BatchInput, type ScoredReply } from '../contracts/names.ts';
import { decodeScored, type Scored } from '../contracts/scored-frame.ts';
import { featuresDurably, hereOrDurably, inferDurably, scoreHere } from './batch-steps.ts';
import { BatchView } from './batch-view.ts';
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
export async function processBatch({ batch, behind }: BatchInput, records: Uint8Array): Promise<BatchResult> {
  let reply: ScoredReply | undefined;
  setHandler(
    scoredUpdate,
    async () => {
      await condition(() => reply !== undefined);
      return reply!;
    },
    {
      description:
        'Answers with the ranges of this batch as soon as its decisions are in history. Asked by the bridge.',
    },
  );

  return CancellationScope.nonCancellable(async () => {
    const view = new BatchView(batch);

    // 1. Features, then predictions and decisions. All are in history before anything outside sees them.
    const decided = await score(batch, records, view);

    // 2. Let the chain go on. The timer ends this workflow task: an update is answered only when its task is, and the sinks'
    //    local activity would otherwise belong to it and hold the answer back.
    reply = { ranges: batch.ranges, startId: batch.startId!, ...behind };
    await sleep(1, { summary: 'ends the scoring task' });

    // 3. Every sink, side by side.
    const delivered = await deliverToAll(batch, decided, view);
    return { outcomes: decided.outcomeCounts, delivered };
  });
}

/** Returns what of the decisions the rest of the run needs. The frames stay in history, and not in the run's memory. */
async function score(batch: BatchRef, records: Uint8Array, view: BatchView): Promise<DecisionsHeader> {
  view.enter('scoring');
  const scored = await hereOrDurably<Partial<Scored>>(
    async () =>
      decodeScored(await scoreHere.score.executeWithOptions({ summary: 'features and decisions' }, [batch, records])),
    async () => {
      view.enter('features');
      await featuresDurably.extractFeatures.executeWithOptions({ summary: 'features' }, [batch, records]);
      return {};
    },
  );
  if (scored.decisions) return decodeFrameHeader<DecisionsHeader>(scored.decisions);
  view.enter('asking the model');
  return decodeFrameHeader<DecisionsHeader>(
    await inferDurably.infer.executeWithOptions({ summary: 'decisions' }, [batch]),
  );
}
