import { ActivityFailure, ApplicationFailure, log, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { LakeActivities } from '../activities/types.ts';
import type { LakeHole, RollUpPlan, RollUpResult } from '../lake/types.ts';
import { heartbeats } from '../contracts/timeouts.ts';

/** Tries are few, because the schedule starts the next run only when this one has ended, and that one goes on with what is left. */
const { planRollUp, rollUp } = proxyActivities<LakeActivities>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: heartbeats.upkeep.timeoutMs,
  retry: { initialInterval: '1s', backoffCoefficient: 3, maximumInterval: '10s', maximumAttempts: 3 },
});

/** Bounds one run's history; what is left after so many rounds waits for the next run. */
const roundsMax = 50;

export interface LakeTotals {
  rows: number;
  files: number;
  rounds: number;
  holes: LakeHole[];
}

/** Turns the segments that have come into Parquet, round by round until none is left. A pipeline that fails holds up no other. */
export async function rollUpLake(): Promise<LakeTotals> {
  const totals: LakeTotals = { rows: 0, files: 0, rounds: 0, holes: [] };
  const failed = new Map<string, string>();
  for (let more = true; more && totals.rounds < roundsMax; totals.rounds++) {
    // 1. What can be rolled up: the answer is in history, so that a retry of the next step writes the same files.
    const { plans, holes } = await planRollUp();
    totals.holes = holes;
    const open = plans.filter(({ pipeline }) => !failed.has(pipeline));

    // 2. Each pipeline's files.
    const results = await Promise.all(open.map((plan) => rollUpOne(plan, failed)));
    for (const { rows, files } of results) {
      totals.rows += rows;
      totals.files += files;
    }
    setCurrentDetails(lakeDetails(totals, failed));
    more = open.some((plan) => plan.more && !failed.has(plan.pipeline));
  }
  if (failed.size > 0)
    throw ApplicationFailure.nonRetryable(
      [...failed].map(([pipeline, reason]) => `${pipeline}: ${reason}`).join('; '),
      'SINK_UNAVAILABLE',
    );
  return totals;
}

async function rollUpOne(plan: RollUpPlan, failed: Map<string, string>): Promise<RollUpResult> {
  try {
    return await rollUp.executeWithOptions({ summary: plan.pipeline }, [plan]);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    const reason = error.cause?.message ?? error.message;
    log.error('the roll-up of a pipeline failed; the next run tries it again', { pipeline: plan.pipeline, reason });
    failed.set(plan.pipeline, reason);
    return { rows: 0, files: 0 };
  }
}

function lakeDetails({ rows, files, rounds, holes }: LakeTotals, failed: ReadonlyMap<string, string>): string {
  const lines = [`${rows} rows in ${files} Parquet files, ${rounds + 1} rounds`];
  for (const { pipeline, topic, partition, from, to, state } of holes)
    lines.push(`- hole (${state}): ${pipeline}, ${topic}-${partition}, offsets ${from ?? '?'} to ${to}`);
  for (const [pipeline, reason] of failed) lines.push(`- failed: ${pipeline}: ${reason}`);
  return lines.join('\n');
}
