import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common';
import { framesOf, messageOf } from '../lib/error-text.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { nameOf } from '../contracts/rejection.ts';

/**
 * Anything thrown, as Temporal records it. Every failure is retryable: what content is to blame for never gets this far, because
 * it becomes a rejection; and a wrong setting is mended while the retry waits. The type is the failure code.
 */
export function toApplicationFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  if (!(error instanceof HeadraceError)) {
    return ApplicationFailure.create({
      message: messageOf(error),
      type: 'UNEXPECTED',
      nonRetryable: false,
      cause: error instanceof Error ? withoutValues(error) : undefined,
    });
  }
  // A transient failure is business as usual: the workflow says in one line that the step goes on, and metrics count it.
  const category = error.kind === 'transient' ? ApplicationFailureCategory.BENIGN : undefined;
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: false,
    category,
    nextRetryDelay: error.retryAfterMs,
  });
}

/** The error's class and stack. Its message may quote a row. */
function withoutValues(error: Error): Error {
  const told = new Error(messageOf(error));
  told.name = nameOf(error);
  told.stack = `${told.name}: ${told.message}\n${framesOf(error)}`;
  return told;
}
