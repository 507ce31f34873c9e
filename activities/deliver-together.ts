import { messageOf } from '../contracts/failures.ts';
import { deadLettersTarget } from '../contracts/names.ts';
import { quickTryMs } from './sink-guard.ts';
import type { BatchActivities, QuickTry } from './types.ts';

/**
 * The quick try of all deliveries of a batch as one step: a step of its own for each sink costs a small batch more than its
 * features and inference. No delivery delays another, and what takes too long goes on: the durable step joins it.
 */
export function createDeliverTogether({ deliver, deadLetter }: Pick<BatchActivities, 'deliver' | 'deadLetter'>, { quickMs = quickTryMs } = {}): BatchActivities['deliverTogether'] {
  return async function deliverTogether(batch, targets, decisionsId) {
    const result: QuickTry = { delivered: {}, missing: {} };
    await Promise.all(
      targets.map(async (target) => {
        try {
          result.delivered[target] = await within(quickMs, target === deadLettersTarget ? deadLetter(batch, decisionsId) : deliver(batch, target, decisionsId));
        } catch (error) {
          result.missing[target] = messageOf(error);
        }
      }),
    );
    return result;
  };
}

async function within<T>(timeoutMs: number, delivery: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it takes longer than ${timeoutMs / 1_000} s`)), timeoutMs);
  });
  return Promise.race([delivery, tooLate]).finally(() => clearTimeout(timer));
}
