import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { reviewWorkflowId } from '../contracts/event-key.ts';
import { searchAttributes, workflowNames } from '../contracts/names.ts';
import type { ReviewInput } from '../contracts/review.ts';

const pipelineKey = defineSearchAttributeKey(searchAttributes.pipeline.name, SearchAttributeType.KEYWORD);
const statusKey = defineSearchAttributeKey(searchAttributes.reviewStatus.name, SearchAttributeType.KEYWORD);
const startTimeoutMs = 5_000;

/** Starts the review of an event; a review that was started before is no error. Respects the signal. */
export type StartReview = (input: ReviewInput, signal: AbortSignal) => Promise<void>;

/** Starts reviews in Temporal. */
export function createReviewStarter(client: Client, { taskQueue }: { taskQueue: string }): StartReview {
  return async (input, signal) => {
    const start = () =>
      client.workflow.start(workflowNames.review, {
        taskQueue,
        workflowId: reviewWorkflowId(input.eventKey),
        args: [input],
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'FAIL',
        staticSummary: `${input.pipeline}, ${input.outcome}, ${new Date(input.eventTimeMs).toISOString()}`,
        typedSearchAttributes: new TypedSearchAttributes([
          { key: pipelineKey, value: input.pipeline },
          { key: statusKey, value: 'open' },
        ]),
      });
    try {
      await client.withAbortSignal(signal, () => client.withDeadline(Date.now() + startTimeoutMs, start));
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  };
}
