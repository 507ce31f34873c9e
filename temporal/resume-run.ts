import { WorkflowExecutionAlreadyStartedError, WorkflowFailedError, type Client } from '@temporalio/client';
import { workflowNames } from '../contracts/names.ts';
import { resumeWorkflowId, type ResumeInput, type ResumeReport } from '../contracts/resume.ts';
import { withTimeout } from '../lib/with-timeout.ts';

const startMsMax = 10_000;
/** A worker takes it within moments; reading a long topic again may take minutes. */
const answerMsMax = { tolerate: 60_000, readAgain: 30 * 60_000 };

/** Has a worker resume a pipeline, because it has the feature store; the run goes on there when nobody waits for it any more. */
export async function runResume(client: Client, input: ResumeInput, taskQueue: string): Promise<ResumeReport> {
  const workflowId = resumeWorkflowId(input.deployment, input.pipeline);
  const waitMs = input.from === undefined ? answerMsMax.tolerate : answerMsMax.readAgain;
  try {
    const start = () =>
      client.workflow.start<(input: ResumeInput) => Promise<ResumeReport>>(workflowNames.resume, {
        workflowId,
        taskQueue,
        args: [input],
        staticSummary: `resume ${input.pipeline}`,
      });
    const started = await client.withDeadline(Date.now() + startMsMax, start);
    return await withTimeout(
      waitMs,
      started.result(),
      `no worker has answered within ${waitMs / 1_000} s; the run ${workflowId} goes on by itself when one does`,
    );
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError)
      throw new Error(`${workflowId} is running already: wait for it, or look at it in the Temporal Web UI`, {
        cause: error,
      });
    throw error instanceof WorkflowFailedError ? new Error(firstCauseOf(error), { cause: error }) : error;
  }
}

/** What an activity said is behind what the SDK says of the run. */
function firstCauseOf(error: Error): string {
  return error.cause instanceof Error ? firstCauseOf(error.cause) : error.message;
}
