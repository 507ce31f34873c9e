import { messageOf } from '../contracts/failures.ts';
import { deadLettersTarget } from '../contracts/names.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import type { BatchActivities, QuickTry } from './types.ts';
import { delivering } from '../contracts/timeouts.ts';

/**
 * The quick try of all deliveries of a batch as one step: a step of its own for each sink costs a small batch more than its
 * features and inference. No delivery delays another, and what takes too long goes on: the durable step joins it.
 */
export function createDeliverAll(
  { deliver, deadLetter }: Pick<BatchActivities, 'deliver' | 'deadLetter'>,
  { quickMs = delivering.quickMs } = {},
): BatchActivities['deliverAll'] {
  return async function deliverAll(batch, targets, decisionsId) {
    const result: QuickTry = { delivered: {}, missing: {} };
    await Promise.all(
      targets.map(async (target) => {
        try {
          const delivery =
            target === deadLettersTarget ? deadLetter(batch, decisionsId) : deliver(batch, target, decisionsId);
          result.delivered[target] = await withTimeout(quickMs, delivery, `it takes longer than ${quickMs / 1_000} s`);
        } catch (error) {
          result.missing[target] = messageOf(error);
        }
      }),
    );
    return result;
  };
}
