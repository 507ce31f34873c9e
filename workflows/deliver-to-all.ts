import { log, setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { QuickTry } from '../activities/types.ts';
import type { DecisionsHeader } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { deadLettersTarget } from '../contracts/names.ts';
import { deliverDurably, deliverHere, deliverTogetherHere, hereOrDurably } from './batch-steps.ts';
import { batchAttributes, batchDetails, type DeliveryStates } from './batch-view.ts';

/**
 * Delivers to every sink that the decisions select, and the dead letters, side by side: none delays another. Each is tried once,
 * quickly; what fails goes on alone as a regular activity. Ends when all have taken theirs, however long that takes. Answers how
 * many rows each took.
 */
export async function deliverToAll(batch: BatchRef, decided: DecisionsHeader): Promise<Record<string, number>> {
  const targets = [...Object.keys(decided.sinkCounts), ...(decided.rejectedCount > 0 ? [deadLettersTarget] : [])];
  const states: DeliveryStates = Object.fromEntries(targets.map((target) => [target, 'delivering']));
  const show = (target: string, state: DeliveryStates[string]) => {
    states[target] = state;
    const isDone = Object.values(states).every((each) => each === 'delivered');
    setCurrentDetails(batchDetails(batch, isDone ? 'done' : 'delivering', decided, states));
  };
  setCurrentDetails(batchDetails(batch, targets.length > 0 ? 'delivering' : 'done', decided, states));

  const tried = decided.deliverTogether ? await tryTogether(batch, targets, decided) : undefined;
  // When all is delivered the run ends in the same workflow task, and visibility is written once instead of twice.
  if (tried) upsertSearchAttributes(batchAttributes(decided));
  const delivered = await Promise.all(
    targets.map(async (target) => {
      const durably = () => {
        show(target, 'retrying');
        return deliverBy(deliverDurably, batch, target, decided);
      };
      // Runs of before have a quick step for each target.
      const rows = tried
        ? (tried.delivered[target] ?? (await durably()))
        : await hereOrDurably(() => deliverBy(deliverHere, batch, target, decided), durably);
      show(target, 'delivered');
      return [target, rows] as const;
    }),
  );
  return Object.fromEntries(delivered);
}

function deliverBy(
  { deliver, deadLetter }: typeof deliverHere | typeof deliverDurably,
  batch: BatchRef,
  target: string,
  { id }: DecisionsHeader,
): Promise<number> {
  const options = { summary: `to ${target}` };
  return target === deadLettersTarget
    ? deadLetter.executeWithOptions(options, [batch, id])
    : deliver.executeWithOptions(options, [batch, target, id]);
}

async function tryTogether(batch: BatchRef, targets: string[], { id }: DecisionsHeader): Promise<QuickTry> {
  const tried = await hereOrDurably<QuickTry>(
    () =>
      deliverTogetherHere.deliverTogether.executeWithOptions({ summary: `to ${targets.join(', ')}` }, [
        batch,
        targets,
        id,
      ]),
    // The worker could not try: each goes on alone.
    () => Promise.resolve({ delivered: {}, missing: {} }),
  );
  for (const [target, reason] of Object.entries(tried.missing))
    log.warn('a delivery goes on as a regular activity', { target, reason });
  return tried;
}
