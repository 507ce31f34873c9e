import {
  proxySinks,
  type ActivityInput,
  type LocalActivityInput,
  type WorkflowInterceptors,
} from '@temporalio/workflow';

/** Runs inside the workflow while it is replayed, and changes nothing about it. */

/** An activity as the workflow asked for it. Of a local one the history holds only the result. */
export interface Call {
  /** Number of the call in its run. In history it is the activity id, and stands in a local activity's marker. */
  seq: number;
  name: string;
  args: unknown[];
  /** Workflow time of the call. */
  atMs: number;
}

export type ReplaySinks = { replay: { called(call: Call): void } };

const { replay } = proxySinks<ReplaySinks>();

function watch({ seq, activityType: name, args }: ActivityInput | LocalActivityInput): void {
  replay.called({ seq, name, args, atMs: Date.now() });
}

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
        scheduleActivity(input, next) {
          watch(input);
          return next(input);
        },
        scheduleLocalActivity(input, next) {
          watch(input);
          return next(input);
        },
      },
    ],
  };
}
