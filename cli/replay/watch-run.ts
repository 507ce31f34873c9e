import { proxySinks, type LocalActivityInput, type WorkflowInterceptors } from '@temporalio/workflow';

/** Runs inside the workflow while it is replayed, and changes nothing about it. */

/** A local activity as the workflow asked for it. A history holds only its result. */
export interface LocalCall {
  /** Number of the call in its run; the result's marker carries it too. */
  seq: number;
  args: unknown[];
  /** Workflow time of the call. */
  atMs: number;
}

export type ReplaySinks = { replay: { localCall(call: LocalCall): void } };

const { replay } = proxySinks<ReplaySinks>();

export function interceptors(): WorkflowInterceptors {
  return {
    inbound: [
      {
        execute(input, next) {
          // Where a debugger stops first: the workflow's own code is one "step into" away. Without a debugger it does nothing.
          // oxlint-disable-next-line no-debugger
          debugger;
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleLocalActivity(input: LocalActivityInput, next) {
          replay.localCall({ seq: input.seq, args: input.args, atMs: Date.now() });
          return next(input);
        },
      },
    ],
  };
}
