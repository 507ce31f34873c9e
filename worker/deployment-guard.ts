import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { toApplicationFailure } from '../temporal/failure.ts';
import { deploymentOfWorkflow } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';

export interface DeploymentGuardOptions {
  deployment: string;
  taskQueue: string;
  /** Told of each other deployment that sends work here, once. */
  onStranger: (message: string) => void;
}

const strangersMax = 100;

/**
 * Refuses every activity of a workflow of another deployment: where two share a namespace and, by their settings, a task queue, each
 * worker gets work of both, and its stores and sinks are those of one. What is refused is retried until a worker of its own gets it.
 */
export function guardDeployment({
  deployment,
  taskQueue,
  onStranger,
}: DeploymentGuardOptions): ActivityInterceptorsFactory {
  const told = new Set<string>();

  function refusal(workflowId: string): ApplicationFailure {
    const stranger = deploymentOfWorkflow(workflowId);
    const owner = stranger === undefined ? 'names no deployment in its id' : `belongs to deployment "${stranger}"`;
    const detail = `${workflowId} ${owner}, and this worker to "${deployment}"; give each deployment a task queue of its own (HEADRACE_TASK_QUEUE, here "${taskQueue}")`;
    const key = stranger ?? '';
    if (!told.has(key) && told.size < strangersMax) {
      told.add(key);
      onStranger(detail);
    }
    return toApplicationFailure(new HeadraceError('WRONG_DEPLOYMENT', detail));
  }

  return ({ info: { workflowExecution } }) => ({
    inbound: {
      execute(input, next) {
        if (workflowExecution === undefined || deploymentOfWorkflow(workflowExecution.workflowId) === deployment)
          return next(input);
        return Promise.reject(refusal(workflowExecution.workflowId));
      },
    },
  });
}
