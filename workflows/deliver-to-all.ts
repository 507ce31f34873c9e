import { setCurrentDetails } from '@temporalio/workflow';
import type { DecisionsHeader } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { deliverDurably, deliverHere, hereOrDurably } from './batch-steps.ts';
import { batchDetails, type DeliveryStates } from './batch-view.ts';

const deadLetters = 'dead letters';

/**
 * Delivers to every sink that the decisions select, and the dead letters, side by side: none delays another. Ends when all have
 * taken theirs, however long that takes. Answers how many rows each took.
 */
export async function deliverToAll(batch: BatchRef, decided: DecisionsHeader): Promise<Record<string, number>> {
  const targets = [...Object.keys(decided.sinkCounts), ...(decided.rejectedCount > 0 ? [deadLetters] : [])];
  const states: DeliveryStates = Object.fromEntries(targets.map((target) => [target, 'delivering']));
  const show = (target: string, state: DeliveryStates[string]) => {
    states[target] = state;
    setCurrentDetails(batchDetails(batch, Object.values(states).every((each) => each === 'delivered') ? 'done' : 'delivering', decided, states));
  };
  const delivered = await Promise.all(
    targets.map(async (target) => {
      show(target, 'delivering');
      const options = { summary: `to ${target}` };
      const deliverBy = ({ deliver, deadLetter }: typeof deliverHere | typeof deliverDurably) =>
        target === deadLetters ? deadLetter.executeWithOptions(options, [batch, decided.id]) : deliver.executeWithOptions(options, [batch, target, decided.id]);
      const rows = await hereOrDurably(
        () => deliverBy(deliverHere),
        () => {
          show(target, 'retrying');
          return deliverBy(deliverDurably);
        },
      );
      show(target, 'delivered');
      return [target, rows] as const;
    }),
  );
  return Object.fromEntries(delivered);
}
