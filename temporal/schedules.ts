import { ScheduleAlreadyRunning, ScheduleNotFoundError, ScheduleOverlapPolicy, type Client } from '@temporalio/client';
import { scheduledWorkflowId } from '../contracts/event-key.ts';
import { workflowNames } from '../contracts/names.ts';
import { cliCommand } from './cli-command.ts';

const deadlineMs = 10_000;

/** The workflows that run by a schedule, and the beginning of its id. */
const scheduledWorkflows = { [workflowNames.rollUpLake]: 'roll-up-lake', [workflowNames.sweep]: 'sweep' } as const;

/** In the memo of our schedules. Raised when runs of an earlier version cannot be gone on with; those of 0.1 have none. */
const generation = { headraceGeneration: 1 };

export type ScheduledWorkflow = keyof typeof scheduledWorkflows;

export interface ScheduleOptions {
  workflowType: ScheduledWorkflow;
  deployment: string;
  taskQueue: string;
}

/** Id of the schedule of a workflow of one deployment, on one task queue. */
export function scheduleIdOf({ workflowType, deployment, taskQueue }: ScheduleOptions): string {
  return scheduledWorkflowId(scheduledWorkflows[workflowType], deployment, taskQueue);
}

/**
 * Makes the schedule of a workflow, or sets its interval when it exists; whether somebody paused it stays as it is. A run that
 * takes longer than the interval makes the next one be skipped.
 */
export async function ensureSchedule(
  client: Client,
  { everySeconds, ...options }: ScheduleOptions & { everySeconds: number },
): Promise<void> {
  const { workflowType, taskQueue } = options;
  const scheduleId = scheduleIdOf(options);
  const spec = { intervals: [{ every: everySeconds * 1_000 }] };
  await client.withDeadline(Date.now() + deadlineMs, async () => {
    try {
      await client.schedule.create({
        scheduleId,
        spec,
        memo: generation,
        policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' },
        action: { type: 'startWorkflow', workflowType, workflowId: scheduleId, taskQueue, args: [] },
      });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      await client.schedule.getHandle(scheduleId).update((description) => ({ ...description, spec }));
    }
  });
}

/**
 * Throws one sentence when another version of Headrace has worked for this deployment in the namespace: its runs would fail on this
 * version's code. Each version leaves its schedules there, so they tell, also where no run is open.
 */
export async function refuseOtherGeneration(
  client: Client,
  place: Omit<ScheduleOptions, 'workflowType'>,
): Promise<void> {
  const types = Object.keys(scheduledWorkflows) as ScheduledWorkflow[];
  const ids = types.map((workflowType) => scheduleIdOf({ workflowType, ...place }));
  const found = await client.withDeadline(Date.now() + deadlineMs, () =>
    Promise.all(ids.map((id) => isOfOther(client, id))),
  );
  const others = ids.filter((_, index) => found[index]);
  if (others.length === 0) return;
  throw new Error(
    `namespace "${client.options.namespace}" of Temporal holds runs of another version of Headrace (0.1) for deployment "${place.deployment}": finish them with that version and then delete its schedules ${others.join(' and ')}, or use another namespace (TEMPORAL_NAMESPACE); a data folder of npm start begins from scratch with --reset`,
  );
}

async function isOfOther(client: Client, id: string): Promise<boolean> {
  try {
    const { memo } = await client.schedule.getHandle(id).describe();
    return memo?.['headraceGeneration'] !== generation.headraceGeneration;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}

/** How a schedule of ours stands. */
export interface ScheduleState {
  /** What it is for: `sweep` or `roll-up-lake`. */
  name: string;
  id: string;
  state: 'running' | 'paused' | 'missing';
  /** What was noted when somebody paused it. */
  note?: string;
  /** The command that lets it go on, when it is paused. */
  remedy?: string;
  everySeconds?: number;
  /** How long ago its workflow completed; when none has that is still kept, how old the schedule is. */
  ageSeconds?: number;
}

/** How the schedules of a deployment stand. Throws when Temporal does not answer. */
export function readSchedules(
  client: Client,
  place: Omit<ScheduleOptions, 'workflowType'>,
  nowMs: number = Date.now(),
): Promise<ScheduleState[]> {
  const types = Object.keys(scheduledWorkflows) as ScheduledWorkflow[];
  return client.withDeadline(Date.now() + deadlineMs, () =>
    Promise.all(types.map((workflowType) => readSchedule(client, { workflowType, ...place }, nowMs))),
  );
}

async function readSchedule(client: Client, options: ScheduleOptions, nowMs: number): Promise<ScheduleState> {
  const { workflowType } = options;
  const id = scheduleIdOf(options);
  const name = scheduledWorkflows[workflowType];
  try {
    const { state, info, spec } = await client.schedule.getHandle(id).describe();
    const completedMs = await lastCompletedMs(client, workflowType, id);
    const everySeconds = (spec.intervals?.[0]?.every ?? 0) / 1_000;
    return {
      name,
      id,
      state: state.paused ? 'paused' : 'running',
      ...(state.paused ? { remedy: cliCommand(client, `schedule toggle --unpause --schedule-id ${id}`) } : {}),
      ...(state.paused && state.note ? { note: state.note } : {}),
      ...(everySeconds > 0 ? { everySeconds } : {}),
      ageSeconds: Math.max(0, nowMs - (completedMs ?? info.createdAt.getTime())) / 1_000,
    };
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return { name, id, state: 'missing' };
    throw error;
  }
}

async function lastCompletedMs(
  client: Client,
  workflowType: ScheduledWorkflow,
  scheduleId: string,
): Promise<number | undefined> {
  const query = `WorkflowType = '${workflowType}' AND TemporalScheduledById = '${scheduleId}' AND ExecutionStatus = 'Completed'`;
  for await (const { closeTime } of client.workflow.list({ query, pageSize: 1 })) return closeTime?.getTime();
  return undefined;
}

/** Whether a schedule has not done its work for longer than it should: some runs may fail, or take their time. */
export function isOverdue({ state, everySeconds = 0, ageSeconds = 0 }: ScheduleState): boolean {
  return state === 'running' && ageSeconds > Math.max(5 * everySeconds, 600);
}
