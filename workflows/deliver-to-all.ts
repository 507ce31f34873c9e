import { log } from '@temporalio/workflow';
import type { QuickTry } from '../activities/types.ts';
import type { DecisionsHeader } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { deadLettersTarget } from '../contracts/names.ts';
import { deliverDurably, deliverHere, hereOrDurably } from './batch-steps.ts';
import type { BatchView } from './batch-view.ts';

/**
 * Delivers to every sink that the decisions select, and the dead letters, side by side: none delays another. Each is tried once,
 * quickly; what fails goes on alone as a regular activity. Ends when all have taken theirs, however long that takes. Returns how
 * many rows each took.
 */
export async function deliverToAll(
  batch: BatchRef,
  decided: DecisionsHeader,
  view: BatchView,
): Promise<Record<string, number>> {
  const targets = [...Object.keys(decided.sinkCounts), ...(decided.rejectedCount > 0 ? [deadLettersTarget] : [])];
  view.showDecided(decided, targets);
  const tried = await tryAll(batch, targets, decided);
  // When all is delivered the run ends in the same workflow task, and visibility is written once instead of twice.
  view.tellVisibility(decided);
  const delivered = await Promise.all(
    targets.map(async (target) => {
      let rows = tried.delivered[target];
      if (rows === undefined) {
        view.showDelivery(target, 'retrying');
        rows = await deliverAlone(batch, target, decided);
      }
      view.showDelivery(target, 'delivered');
      return [target, rows] as const;
    }),
  );
  view.enter('done');
  return Object.fromEntries(delivered);
}

async function tryAll(batch: BatchRef, targets: string[], { id }: DecisionsHeader): Promise<QuickTry> {
  const options = { summary: `to ${targets.join(', ')}` };
  const tried = await hereOrDurably<QuickTry>(
    () => deliverHere.deliverAll.executeWithOptions(options, [batch, targets, id]),
    // The worker could not try: each goes on alone.
    () => Promise.resolve({ delivered: {}, missing: {} }),
  );
  for (const [target, reason] of Object.entries(tried.missing))
    log.warn('a delivery goes on as a regular activity', { target, reason });
  return tried;
}

function deliverAlone(batch: BatchRef, target: string, { id }: DecisionsHeader): Promise<number> {
  const options = { summary: `to ${target}` };
  return target === deadLettersTarget
    ? deliverDurably.deadLetter.executeWithOptions(options, [batch, id])
    : deliverDurably.deliver.executeWithOptions(options, [batch, target, id]);
}
