import type { BatchRun } from '../contracts/batch-runs.ts';
import { messageOf } from '../contracts/failures.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import { findProblems, unknownReason, type Problem } from './problems.ts';
import type { ScheduleState } from '../temporal/schedules.ts';
import type { SystemState } from './system-state.ts';
import { asking } from '../contracts/timeouts.ts';

/** What is asked to say how a system stands. */
export interface StateReaders {
  partitions(): Promise<SystemState>;
  schedules(): Promise<ScheduleState[]>;
  /** Batches that have been open for more than a minute. */
  openBatches(): Promise<{ total: number; runs: BatchRun[] }>;
}

/** How the system stands; what could not be read is left out, and explained under `unknown`. */
export interface SystemStanding extends SystemState {
  schedules?: ScheduleState[];
  problems: Problem[];
}

/** How long an answer is used again: many may ask. */
const cacheMs = 1_000;

/** Asks anew when the last answer is a second old; while it is on its way, all wait for that one. */
export function createStandingReader(readers: StateReaders): () => Promise<SystemStanding> {
  let last: { doneMs: number; standing: Promise<SystemStanding> } | undefined;
  return () => {
    if (last && performance.now() - last.doneMs < cacheMs) return last.standing;
    const asked = { doneMs: Infinity, standing: readStanding(readers) };
    void asked.standing.finally(() => (asked.doneMs = performance.now()));
    last = asked;
    return asked.standing;
  };
}

/** Uses an answer again for so long; a failure is asked anew. */
export function remembered<T>(read: () => Promise<T>, ms: number): () => Promise<T> {
  let last: { atMs: number; answer: Promise<T> } | undefined;
  return () => {
    if (last && performance.now() - last.atMs < ms) return last.answer;
    const asked = { atMs: performance.now(), answer: read() };
    last = asked;
    asked.answer.catch(() => {
      if (last === asked) last = undefined;
    });
    return asked.answer;
  };
}

/** Reads everything side by side. Never rejects. */
export async function readStanding(readers: StateReaders): Promise<SystemStanding> {
  const unknown: Record<string, string> = {};
  const read = async <T>(name: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await withTimeout(asking.gatewayMs, work());
    } catch (error) {
      unknown[name] = messageOf(error);
      return undefined;
    }
  };
  const [state, schedules, openBatches] = await Promise.all([
    read('partitions', () => readers.partitions()),
    read('schedules', () => readers.schedules()),
    read('open batches', () => readers.openBatches()),
  ]);
  const { partitions = [], processes = [] } = state ?? {};
  Object.assign(
    unknown,
    state?.unknown,
    Object.fromEntries(partitions.map(unknownReason).filter((reason) => reason !== undefined)),
  );
  return {
    partitions,
    processes,
    schedules,
    problems: findProblems({ partitions, processes, schedules, openBatches }),
    unknown,
  };
}
