import type { BatchRun } from '../contracts/batch-runs.ts';
import { waitText, type PartitionState, type WaitKind } from '../contracts/partition-state.ts';
import type { ProcessState } from './partitions-asked.ts';
import { isOverdue, type ScheduleState } from '../temporal/schedules.ts';

/** Something that stands, or does not do its work. */
export interface Problem {
  kind: Exclude<WaitKind, 'records' | 'unknown'> | 'open_batches_wait' | 'schedule' | 'process';
  /** Absent when it is about all of them. */
  pipeline?: string;
  /** What it is about: `topic-partition`, a schedule's id, a process. With `kind` it tells one from another. */
  place: string;
  /** What it is, in some words. */
  short: string;
  /** What it is, why, and since when, in a sentence. */
  text: string;
  /** The process whose log has the reason. */
  log?: string;
}

/** What was read of a system; a part that could not be read is absent. */
export interface Readings {
  partitions: readonly PartitionState[];
  processes: readonly ProcessState[];
  schedules?: readonly ScheduleState[];
  /** Batches that have been open for longer than they should. */
  openBatches?: { total: number; runs: readonly BatchRun[] };
}

/** How long each may last before it is more than a moment of ordinary work. */
const secondsMax: Record<WaitKind, number> = {
  records: Infinity,
  unknown: Infinity,
  scoring: 60,
  kafka: 10,
  temporal: 10,
  failing: 10,
  open_batches: 10,
  transaction: 10,
  paused: 0,
  no_worker: 0,
  no_bridge: 0,
  halted: 0,
};
const shownRunsMax = 3;

/** What stands, the partitions first. */
export function findProblems({ partitions, processes, schedules = [], openBatches }: Readings): Problem[] {
  return [
    ...partitions.flatMap(partitionProblem),
    ...(openBatches ? batchProblems(openBatches) : []),
    ...schedules.flatMap(scheduleProblem),
    ...processes.flatMap(processProblem),
  ];
}

/** Why it is not known of a partition whether it stands. */
export function unknownReason({ pipeline, topic, partition, waiting }: PartitionState): [string, string] | undefined {
  return waiting.kind === 'unknown'
    ? [`${pipeline} ${topic}-${partition}`, waiting.text ?? 'it could not be asked']
    : undefined;
}

/** For people: `14 min`, `3 h`. */
export function lasting(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** How much of a partition waits, and for how long. */
export function lagText({ lag, oldestSeconds }: Pick<PartitionState, 'lag' | 'oldestSeconds'>): string {
  if (lag === undefined) return 'lag unknown';
  const records = `${lag.toLocaleString('en-US')} ${lag === 1 ? 'record waits' : 'records wait'}`;
  return lag > 0 && oldestSeconds !== undefined ? `${records}, the oldest for ${lasting(oldestSeconds)}` : records;
}

function partitionProblem(state: PartitionState): Problem[] {
  const { pipeline, topic, partition, lag, waiting } = state;
  const { kind, forSeconds = Infinity } = waiting;
  if (kind === 'records' || kind === 'unknown' || forSeconds < secondsMax[kind]) return [];
  // Nothing is left to do, so nobody misses what is paused or away.
  if (lag === 0 && kind !== 'halted' && kind !== 'kafka' && kind !== 'temporal') return [];
  const since = Number.isFinite(forSeconds) ? `, for ${lasting(forSeconds)}` : '';
  const place = `${topic}-${partition}`;
  const why = waiting.text === undefined ? '' : `: ${waitText(waiting)}`;
  return [
    {
      kind,
      pipeline,
      place,
      short: `${place}: ${whatFor[kind]}`,
      text: `${place} of ${pipeline}: ${lagText(state)}; ${whatFor[kind]}${since}${why}`,
      log: 'bridge',
    },
  ];
}

const whatFor: Record<Exclude<WaitKind, 'records' | 'unknown'>, string> = {
  scoring: 'its batch is being scored',
  kafka: 'waiting for Kafka',
  temporal: 'waiting for Temporal to take its batch',
  failing: 'a step of its batch fails and is tried again',
  paused: 'its batch is paused',
  no_worker: 'waiting for a worker',
  open_batches: 'waiting for sinks to take open batches',
  transaction: 'waiting for a transaction to end',
  halted: 'halted, waiting for you',
  no_bridge: 'waiting for a bridge',
};

function batchProblems({ total, runs }: NonNullable<Readings['openBatches']>): Problem[] {
  const held = runs.filter(({ waitsFor }) => waitsFor?.some(({ kind }) => kind !== 'scoring'));
  if (held.length === 0) return [];
  const shown = held
    .slice(0, shownRunsMax)
    .flatMap(({ waitsFor }) => (waitsFor ?? []).filter(({ kind }) => kind !== 'scoring').map(waitText));
  const short = `${total.toLocaleString('en-US')} ${total === 1 ? 'batch has' : 'batches have'} been open for more than a minute`;
  return [
    {
      kind: 'open_batches_wait',
      place: 'batches',
      short,
      text: `${short}: ${[...new Set(shown)].join('; ')}`,
      log: 'worker',
    },
  ];
}

function scheduleProblem(schedule: ScheduleState): Problem[] {
  const { name, id, state, note, remedy, ageSeconds } = schedule;
  const what = name === 'sweep' ? 'chains are not checked for holes' : 'the lake is not rolled up';
  const last = ageSeconds === undefined ? '' : `; the last time was ${lasting(ageSeconds)} ago`;
  const schedules = { kind: 'schedule', place: id, short: what } as const;
  if (state === 'missing')
    return [{ ...schedules, text: `the schedule ${id} is missing, so ${what}: start a worker again, which makes it` }];
  if (state === 'paused')
    return [
      {
        ...schedules,
        text: `the schedule ${id} is paused${note ? ` ("${note}")` : ''}, so ${what}${last}${remedy ? `; let it go on: ${remedy}` : ''}`,
      },
    ];
  return isOverdue(schedule)
    ? [
        {
          ...schedules,
          text: `${what}${last}: its runs fail or do not end; look at ${id} in the Temporal Web UI`,
          log: 'worker',
        },
      ]
    : [];
}

function processProblem({ name, address, reason }: ProcessState): Problem[] {
  if (reason === undefined) return [];
  const short = `the process ${name} does not answer`;
  return [
    { kind: 'process', place: name, short, text: `${short} at its metrics address ${address}: ${reason}`, log: name },
  ];
}
