import { type Client, isGrpcServiceError, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { verdictName } from '../contracts/names.ts';
import { verdictFailures, type AcceptedVerdict, type VerdictInput } from '../contracts/review.ts';

/** What became of a verdict. */
export type VerdictAnswer =
  | { kind: 'accepted'; accepted: AcceptedVerdict }
  /** Somebody was first. */
  | { kind: 'decided'; accepted: AcceptedVerdict }
  | { kind: 'invalid'; reason: string }
  /** No review with this id takes verdicts: there is none, or it is closed, or it closed just now. */
  | { kind: 'closed' };

/** Sends a verdict to its review. Throws when it is not known whether the review has it. */
export type SendVerdict = (reviewId: string, verdict: VerdictInput & { id: string }) => Promise<VerdictAnswer>;

const updateTimeoutMs = 5_000;
/** The update was admitted, and its run ended before it took it. */
const grpcAborted = 10;

/** Sends verdicts as updates. The verdict's id is the update's, so that one which is sent again gets the same answer. */
export function createVerdictSender(client: Client): SendVerdict {
  return async (reviewId, verdict) => {
    try {
      const handle = client.workflow.getHandle(reviewId);
      const send = () =>
        handle.executeUpdate<AcceptedVerdict, [VerdictInput]>(verdictName, { updateId: verdict.id, args: [verdict] });
      return { kind: 'accepted', accepted: await client.withDeadline(Date.now() + updateTimeoutMs, send) };
    } catch (error) {
      const answer = answerOf(error);
      if (!answer) throw error;
      return answer;
    }
  };
}

function answerOf(error: unknown): VerdictAnswer | undefined {
  if (error instanceof WorkflowNotFoundError) return { kind: 'closed' };
  if (isGrpcServiceError(error)) return Number(error.code) === grpcAborted ? { kind: 'closed' } : undefined;
  const failure = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  if (!(failure instanceof ApplicationFailure)) return undefined;
  if (failure.type === verdictFailures.alreadyDecided)
    return { kind: 'decided', accepted: failure.details![0] as AcceptedVerdict };
  if (failure.type === verdictFailures.invalid) return { kind: 'invalid', reason: failure.message };
  return failure.type === 'AcceptedUpdateCompletedWorkflow' ? { kind: 'closed' } : undefined;
}
