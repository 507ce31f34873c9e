/**
 * Every failure code of Headrace. The kind says what to do about it:
 * - `transient`: try again, for ever, with back-off; never a dead letter.
 * - `permanent`: this record's content; it gets a dead letter and its neighbours go on.
 * - `systemic`: a setting, a model or a server is wrong for every record: try again and alarm; drain nothing into dead letters.
 */
export const failures = {
  EMPTY_VALUE: { kind: 'permanent', meaning: 'The record has no value (a tombstone) or an empty one.' },
  NOT_JSON: { kind: 'permanent', meaning: 'The value is no JSON text in UTF-8.' },
  FORBIDDEN_KEY: {
    kind: 'permanent',
    meaning: 'An object has a key such as __proto__ that could change other objects.',
  },
  TOO_DEEP: { kind: 'permanent', meaning: 'Objects or arrays are nested deeper than 32 levels.' },
  SCHEMA_MISMATCH: { kind: 'permanent', meaning: "The value does not fit the pipeline's event schema." },
  INEXACT_NUMBER: {
    kind: 'permanent',
    meaning:
      'A number of the value would be rounded: an integer beyond 2^53 in a field that is no bigint or text, or more than a double can be.',
  },
  RECORD_TOO_LARGE: { kind: 'permanent', meaning: 'The record is larger than a batch may be.' },
  BAD_EVENT: {
    kind: 'permanent',
    meaning: "The pipeline's own functions (id, time, entities, features) failed on the event or gave no usable value.",
  },
  EVENT_TOO_FAR_AHEAD: {
    kind: 'permanent',
    meaning: 'The event claims to happen later than the clock by more than the pipeline allows.',
  },
  BAD_PREDICTION: { kind: 'permanent', meaning: 'The model answered this row with a number that is not finite.' },
  MODEL_REFUSED_ROW: {
    kind: 'permanent',
    meaning: 'The model server refuses this row alone, and accepts its neighbours.',
  },
  BAD_DECISION: {
    kind: 'permanent',
    meaning: 'The decision policy failed on the event or returned an unknown outcome.',
  },
  SINK_REFUSED_ROW: { kind: 'permanent', meaning: 'A sink refuses this decision alone, and accepts its neighbours.' },
  REFUSED_IN_A_ROW: {
    kind: 'systemic',
    meaning:
      'The pipeline refused so many records in a row, and accepted none, that the topic seems to be of another format.',
  },
  MODEL_UNAVAILABLE: { kind: 'transient', meaning: 'The model server does not answer, or not in time.' },
  MODEL_MISSING: { kind: 'systemic', meaning: 'The model server has no such model, or not this version of it.' },
  MODEL_WRONG: {
    kind: 'systemic',
    meaning: "The model's inputs and outputs do not fit the pipeline, or it refuses every row.",
  },
  STORE_UNAVAILABLE: { kind: 'transient', meaning: 'The feature store cannot be read or written.' },
  PREDECESSOR_MISSING: { kind: 'systemic', meaning: 'The feature store has not seen the batch before this one.' },
  SINK_UNAVAILABLE: { kind: 'transient', meaning: 'A sink does not take the delivery now.' },
  SINK_WRONG: {
    kind: 'systemic',
    meaning: 'A sink answers and refuses every row: a table, a constraint, an encoding or a topic of it is wrong.',
  },
  SINK_BROKEN: {
    kind: 'systemic',
    meaning: "A sink's own code fails, which is a bug and no fault of a server or a setting.",
  },
  BATCH_UNKNOWN: {
    kind: 'transient',
    meaning: "Neither this worker nor the run's history has the batch's results yet.",
  },
  PIPELINE_WRONG: {
    kind: 'systemic',
    meaning:
      "The pipeline's own code cannot decide any event: its schema or one of its functions is asynchronous, or `decide` or the fallback fails on every event.",
  },
  WRONG_DEPLOYMENT: {
    kind: 'systemic',
    meaning: 'The batch or review belongs to another deployment than the worker that got it.',
  },
  PIPELINE_UNKNOWN: {
    kind: 'systemic',
    meaning: 'This worker has no such pipeline: it was started with other pipelines than the bridge.',
  },
} as const satisfies Record<string, { kind: 'transient' | 'permanent' | 'systemic'; meaning: string }>;

export type FailureCode = keyof typeof failures;

/** An error whose code says what to do about it. The message begins with the code, because tools often show nothing else. */
export class HeadraceError extends Error {
  override readonly name = 'HeadraceError';

  constructor(
    readonly code: FailureCode,
    /** The message without the code. */
    readonly detail: string,
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(`${code}: ${detail}`, 'cause' in options ? { cause: options.cause } : undefined);
    this.retryAfterMs = options.retryAfterMs;
  }

  /** When to try again; undefined leaves it to the usual back-off. */
  readonly retryAfterMs: number | undefined;

  get kind(): (typeof failures)[FailureCode]['kind'] {
    return failures[this.code].kind;
  }
}

export { fetchFailure, fullMessageOf, messageOf } from '../lib/error-text.ts';
