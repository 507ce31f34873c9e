import { resolve } from 'node:path';
import { cancellationSignal, heartbeat, log } from '@temporalio/activity';
import { HeadraceError, messageOf } from '../contracts/failures.ts';
import { refuseForeignLake } from '../sinks/lake/owner.ts';
import { planRollUps } from '../sinks/lake/plan.ts';
import { rollUp } from '../sinks/lake/roll-up.ts';
import { toApplicationFailure } from './failure.ts';
import type { LakeActivities } from './types.ts';

const heartbeatMs = 5_000;

/** The activities behind the workflow `rollUpLake`, over a deployment's lake in a folder. */
export function createRollUpActivities({ lakeRoot, deployment }: { lakeRoot: string; deployment: string }): LakeActivities {
  const root = resolve(lakeRoot);
  const ofOwn = <T>(work: () => Promise<T>) => told(root, async () => {
    await refuseForeignLake(root, deployment);
    return work();
  });
  return {
    planRollUp: () => ofOwn(() => planRollUps({ root, onAlarm: (message) => log.error(message) })),
    rollUp: (plan) => ofOwn(() => rollUp({ root, signal: cancellationSignal() }, plan)),
  };
}

/** Does the work with a heartbeat beside it, and names the lake when it fails. */
async function told<T>(root: string, work: () => Promise<T>): Promise<T> {
  const beat = setInterval(heartbeat, heartbeatMs);
  try {
    return await work();
  } catch (error) {
    const failure = new HeadraceError('SINK_UNAVAILABLE', `the lake at ${root} (LAKE_URL or HEADRACE_DATA_DIR) cannot be rolled up: ${messageOf(error)}`, { cause: error });
    throw toApplicationFailure(failure);
  } finally {
    clearInterval(beat);
  }
}
