import { ApplicationFailure } from '@temporalio/common';
import { HeadraceError, messageOf } from '../contracts/failures.ts';

/**
 * Anything thrown, as Temporal records it. Every failure is retryable: what content is to blame for never gets this far, because
 * it becomes a rejection; and a wrong setting is mended while the retry waits. The type is the failure code.
 */
export function toApplicationFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const type = error instanceof HeadraceError ? error.code : 'UNEXPECTED';
  return ApplicationFailure.create({ message: messageOf(error), type, nonRetryable: false, cause: error instanceof Error ? error : undefined });
}
