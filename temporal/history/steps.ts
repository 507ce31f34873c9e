import type { ReadableFailure } from './readable-value.ts';

export type StepKind =
  | 'started'
  | 'workflow task'
  | 'local activity'
  | 'activity'
  | 'timer'
  | 'update'
  | 'signal'
  | 'search attributes'
  | 'patch'
  | 'closed'
  | 'event';

/** One thing that a run did or that was done to it, made of one or more events. */
export interface Step {
  /** The event that began it. */
  eventId: number;
  kind: StepKind;
  name: string;
  /** What the Web UI shows beside the name. */
  summary?: string;
  atMs: number;
  /** From its beginning to its end, retries and waiting included; absent while it is open. */
  durationMs?: number;
  /** Which attempt it was that ended it, or that is under way. */
  attempt?: number;
  /** Absent where a history does not hold it and the replay did not come there. */
  input?: unknown[];
  result?: unknown;
  failure?: ReadableFailure;
  /** Not ended when the history was taken. */
  open?: true;
}

/** A run, as its history tells it. */
export interface Run {
  workflowId?: string;
  runId?: string;
  type: string;
  status: 'open' | 'completed' | 'failed' | 'timed out' | 'canceled' | 'terminated' | 'continued as new';
  startedAtMs: number;
  durationMs?: number;
  events: number;
  steps: Step[];
}
