import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { messageOf } from '../contracts/failures.ts';
import type { Waiting } from '../contracts/partition-state.ts';
import type { FailureCode } from '../contracts/failures.ts';
import { cliCommand } from './cli-command.ts';

/** Why a run does not go on: a part of what a partition can wait for. */
export type RunWait = Waiting & { text: string; kind: 'paused' | 'failing' | 'halted' | 'no_worker' | 'scoring' };

type Raw = WorkflowExecutionDescription['raw'];
type Pending = NonNullable<Raw['pendingActivities']>[number];
type Time = { seconds?: { toNumber(): number } | null; nanos?: number | null } | null | undefined;

const textLengthMax = 400;
/** A worker that runs takes a task at once; one that is busy, or that has just begun, within seconds. */
const taskWaitSecondsMax = 5;
/** A poll lasts a minute; a worker that was not seen for longer than that is gone. */
const pollerSecondsMax = 75;
const taskQueueKinds = { workflow: 1, activity: 2 } as const;
/** Temporal's number for the state of an activity that nobody has begun. */
const scheduledState = 1;

/**
 * Why a run that is open does not go on, as far as Temporal shows: somebody has paused it or a step of it, steps fail, or no worker takes
 * its tasks; the worst first. `scoring` when there is nothing of that kind. Throws when Temporal does not answer.
 */
export async function explainRun(
  client: Client,
  run: WorkflowExecutionDescription,
  nowMs: number = Date.now(),
): Promise<RunWait[]> {
  const { raw } = run;
  const steps = await Promise.all(
    (raw.pendingActivities ?? []).map((pending) => stepWait(client, run, pending, nowMs)),
  );
  const waits = [pauseOf(client, run, nowMs), ...steps, await taskWait(client, run, nowMs)].filter(
    (wait) => wait !== undefined,
  );
  const order: RunWait['kind'][] = ['paused', 'halted', 'failing', 'no_worker', 'scoring'];
  const distinct = [
    ...new Map(waits.map((wait) => [`${wait.kind} ${wait.text ?? ''} ${wait.by ?? ''}`, wait])).values(),
  ];
  return distinct.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

/** Servers since 1.30 can pause a workflow. */
function pauseOf(
  client: Client,
  { workflowId, raw: { workflowExecutionInfo, workflowExtendedInfo } }: { workflowId: string; raw: Raw },
  nowMs: number,
): RunWait | undefined {
  const info = (
    workflowExtendedInfo as
      | { pauseInfo?: { identity?: string; pausedTime?: Time; reason?: string } | null }
      | null
      | undefined
  )?.pauseInfo;
  if (!info && workflowExecutionInfo?.status !== pausedStatus) return undefined;
  return {
    kind: 'paused',
    text: `${workflowId} is paused${reasonOf(info?.reason)}`,
    remedy: cliCommand(client, `workflow unpause --workflow-id ${workflowId}`),
    ...byOf(info?.identity),
    ...sinceOf(info?.pausedTime, nowMs),
  };
}

const pausedStatus = 8;
const refusedInARow: FailureCode = 'REFUSED_IN_A_ROW';

async function stepWait(
  client: Client,
  { workflowId, taskQueue, startTime }: WorkflowExecutionDescription,
  pending: Pending,
  nowMs: number,
): Promise<RunWait | undefined> {
  const { activityType, activityId, attempt, paused, pauseInfo, lastFailure, scheduledTime, state, lastStartedTime } =
    pending;
  const step = activityType?.name ?? 'a step';
  // When it began to fail is not kept: its run is open since.
  const openSeconds = Math.max(0, nowMs - startTime.getTime()) / 1_000;
  const failure = lastFailure ? `: ${await failureText(client, lastFailure)}` : '';
  if (paused || pauseInfo) {
    const { manual, rule, pauseTime } = pauseInfo ?? {};
    return {
      kind: 'paused',
      text: `step ${step} of ${workflowId}${failure && `, which failed last with${failure.slice(1)},`} is paused${reasonOf(manual?.reason ?? rule?.reason)}`,
      remedy: cliCommand(client, `activity unpause --workflow-id ${workflowId} --activity-id ${activityId ?? ''}`),
      ...byOf(manual?.identity || (rule && `the rule ${rule.ruleId ?? ''}`)),
      ...sinceOf(pauseTime, nowMs),
    };
  }
  if (lastFailure?.applicationFailureInfo?.type === refusedInARow)
    return {
      kind: 'halted',
      text: `step ${step} of ${workflowId}${failure}`,
      remedy: `mend the pipeline and start the workers again, or headrace resume --pipeline ${workflowId.split(':')[2] ?? ''}`,
      forSeconds: openSeconds,
    };
  if (lastFailure)
    return {
      kind: 'failing',
      text: `step ${step} of ${workflowId}, attempt ${String(attempt)}${failure}`,
      forSeconds: openSeconds,
    };
  if (state === scheduledState && !lastStartedTime && secondsSince(scheduledTime, nowMs) > taskWaitSecondsMax)
    return taskQueueWait(client, { workflowId, taskQueue }, `step ${step}`, 'activity', scheduledTime, nowMs);
  return { kind: 'scoring', text: `step ${step} of ${workflowId} is under way`, forSeconds: openSeconds };
}

async function taskWait(
  client: Client,
  { raw, workflowId, taskQueue }: WorkflowExecutionDescription,
  nowMs: number,
): Promise<RunWait | undefined> {
  const task = raw.pendingWorkflowTask;
  if (!task) return undefined;
  const since = task.originalScheduledTime ?? task.scheduledTime;
  if ((task.attempt ?? 1) > 1 && !(await isWithoutWorker(client, taskQueue, 'workflow', nowMs))) {
    return {
      kind: 'failing',
      text: `the workflow task of ${workflowId} fails, attempt ${String(task.attempt)}: the worker's log says why`,
      ...sinceOf(since, nowMs),
    };
  }
  if (task.startedTime || secondsSince(task.scheduledTime, nowMs) <= taskWaitSecondsMax) return undefined;
  return taskQueueWait(client, { workflowId, taskQueue }, 'the workflow task', 'workflow', since, nowMs);
}

async function taskQueueWait(
  client: Client,
  { workflowId, taskQueue }: Pick<WorkflowExecutionDescription, 'workflowId' | 'taskQueue'>,
  what: string,
  kind: keyof typeof taskQueueKinds,
  since: Time,
  nowMs: number,
): Promise<RunWait> {
  const isWithout = await isWithoutWorker(client, taskQueue, kind, nowMs);
  const text = isWithout
    ? `no worker asks for tasks of the task queue "${taskQueue}": ${what} of ${workflowId} waits; start a worker, or check HEADRACE_TASK_QUEUE`
    : `${what} of ${workflowId} waits for a free worker of the task queue "${taskQueue}"`;
  return { kind: isWithout ? 'no_worker' : 'scoring', text, ...sinceOf(since, nowMs) };
}

async function isWithoutWorker(
  client: Client,
  taskQueue: string,
  kind: keyof typeof taskQueueKinds,
  nowMs: number,
): Promise<boolean> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: taskQueueKinds[kind],
  });
  return !(pollers ?? []).some(({ lastAccessTime }) => secondsSince(lastAccessTime, nowMs) < pollerSecondsMax);
}

/** Failures are encrypted where payloads are. */
export async function failureText(client: Client, failure: NonNullable<Pending['lastFailure']>): Promise<string> {
  const error = await decodeOptionalFailureToOptionalError(client.options.loadedDataConverter, failure).catch(
    () => undefined,
  );
  return (error ? messageOf(error) : (failure.message ?? '')).slice(0, textLengthMax);
}

function reasonOf(reason: string | null | undefined): string {
  return reason ? ` ("${reason.slice(0, textLengthMax)}")` : '';
}

function byOf(identity: string | null | undefined): { by?: string } {
  return identity ? { by: identity } : {};
}

function sinceOf(time: Time, nowMs: number): { forSeconds?: number } {
  const seconds = secondsSince(time, nowMs);
  return Number.isFinite(seconds) ? { forSeconds: seconds } : {};
}

/** -Infinity when there is no such time. */
function secondsSince(time: Time, nowMs: number): number {
  if (!time) return -Infinity;
  const ms = (time.seconds?.toNumber() ?? 0) * 1_000 + (time.nanos ?? 0) / 1e6;
  return Math.max(0, nowMs - ms) / 1_000;
}
