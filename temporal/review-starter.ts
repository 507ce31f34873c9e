import { status as grpcStatus } from '@grpc/grpc-js';
import {
  type Client,
  isGrpcServiceError,
  ServiceError,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { withLinkedSignal } from '../lib/linked-signal.ts';
import { reviewWorkflowId } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import { searchAttributes, workflowNames } from '../contracts/names.ts';
import type { ReviewInput } from '../contracts/review.ts';
import type { Logger } from '../lib/log.ts';

const pipelineKey = defineSearchAttributeKey(searchAttributes.pipeline.name, SearchAttributeType.KEYWORD);
const statusKey = defineSearchAttributeKey(searchAttributes.reviewStatus.name, SearchAttributeType.KEYWORD);
const deadlineMs = 5_000;

/** This review cannot be started, whatever becomes of Temporal; others can. */
export class ReviewRefusedError extends Error {
  override readonly name = 'ReviewRefusedError';
}

/** Starts the review of an event; one that is under way is no error. Throws a ReviewRefusedError. Respects the signal. */
export type StartReview = (input: ReviewInput, signal: AbortSignal) => Promise<void>;

/**
 * Starts reviews in Temporal. A run that has ended, though its review was never opened in Postgres (it was terminated, or the
 * database is an older copy), is started again: nobody could decide the review otherwise.
 */
export function createReviewStarter(
  client: Client,
  { taskQueue, log }: { taskQueue: string; log: Pick<Logger, 'warn'> },
): StartReview {
  return async (input, signal) => {
    const workflowId = reviewWorkflowId(input.eventKey);
    const soon = <T>(work: () => Promise<T>) =>
      withLinkedSignal(signal, (own) =>
        client.withAbortSignal(own, () => client.withDeadline(Date.now() + deadlineMs, work)),
      );
    const start = (workflowIdReusePolicy: 'REJECT_DUPLICATE' | 'ALLOW_DUPLICATE') =>
      soon(() =>
        client.workflow.start(workflowNames.review, {
          taskQueue,
          workflowId,
          args: [input],
          workflowIdReusePolicy,
          workflowIdConflictPolicy: 'FAIL',
          staticSummary: `${input.pipeline}, ${input.outcome}, ${new Date(input.eventTimeMs).toISOString()}`,
          typedSearchAttributes: new TypedSearchAttributes([
            { key: pipelineKey, value: input.pipeline },
            { key: statusKey, value: 'open' },
          ]),
        }),
      );
    try {
      await start('REJECT_DUPLICATE').catch((error: unknown) => {
        throw isRefusal(error)
          ? new ReviewRefusedError(`Temporal refuses ${workflowId}: ${messageOf(error)}`, { cause: error })
          : error;
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const { status } = await soon(() => client.workflow.getHandle(workflowId).describe());
      if (status.name === 'RUNNING') return;
      log.warn(`${workflowId} ended as ${status.name} and its review is not open; it is started again`);
      await start('ALLOW_DUPLICATE');
    }
  };
}

/** Whether the request itself is what is wrong: what it holds cannot be encoded, or the server does not take it. */
function isRefusal(error: unknown): boolean {
  if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
  const cause = error instanceof ServiceError ? error.cause : error;
  if (!isGrpcServiceError(cause)) return error instanceof RangeError || error instanceof TypeError;
  // A message that is too large for gRPC is told with the code of a server that is too busy.
  return (
    cause.code === grpcStatus.INVALID_ARGUMENT ||
    (cause.code === grpcStatus.RESOURCE_EXHAUSTED && /larger than max/i.test(cause.message))
  );
}
