/**
 * How long the steps that score a batch may take. What depends on each other stands here: the time-outs of the workflow, what an
 * activity uses of them, and the deadline of one call of the model, which is a setting.
 */

/** Time-outs of one try, by the server's clock. `here` is a local activity, which holds a workflow task. */
export const scoringTimeoutMs = { here: 4_000, durably: 30_000 } as const;

/** What `score` leaves of its time-out, for a worker that is busy, and to record what it has. */
const reserveMs = 500;

/** What deciding takes besides the model's answer. */
const aroundModelMs = 500;

/**
 * How long `score`, whose features took `tookMs`, waits for the decisions: a little longer than one call of the model may take, as far as this
 * try has time. Decisions that take longer go on, and are a step of their own.
 */
export function decideMsMax({ modelDeadlineMs, tookMs }: { modelDeadlineMs: number; tookMs: number }): number {
  return Math.max(0, Math.min(modelDeadlineMs + aroundModelMs, scoringTimeoutMs.here - reserveMs - tookMs));
}
