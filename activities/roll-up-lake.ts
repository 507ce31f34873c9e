import { resolve } from 'node:path';
import { cancellationSignal, heartbeat, log } from '../temporal/activity.ts';
import { isProgrammingError, messageOf } from '../lib/error-text.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { refuseForeignLake } from '../lake/owner.ts';
import { planRollUps } from '../lake/plan.ts';
import { rollUp } from '../lake/roll-up.ts';
import { toApplicationFailure } from '../temporal/failure.ts';
import type { LakeActivities } from './types.ts';
import { heartbeats } from '../contracts/timeouts.ts';

/** The activities behind the workflow `rollUpLake`, over a deployment's lake in a folder. */
export function createRollUpActivities({
  lakeRoot,
  deployment,
}: {
  lakeRoot: string;
  deployment: string;
}): LakeActivities {
  const root = resolve(lakeRoot);
  const ofOwn = <T>(work: () => Promise<T>) =>
    told(root, async () => {
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
  const beat = setInterval(heartbeat, heartbeats.upkeep.everyMs);
  try {
    return await work();
  } catch (error) {
    throw toApplicationFailure(failureOf(root, error));
  } finally {
    clearInterval(beat);
  }
}

/** Only an error of the file system says something of where the lake lies. */
function failureOf(root: string, error: unknown): HeadraceError {
  const isBug = isProgrammingError(error);
  const isOfFiles = !isBug && typeof (error as NodeJS.ErrnoException).code === 'string';
  const reason = `${isBug ? 'this is a bug: ' : ''}${messageOf(error)}`;
  return new HeadraceError(
    isBug ? 'SINK_BROKEN' : 'SINK_UNAVAILABLE',
    `the lake at ${root}${isOfFiles ? ' (LAKE_URL or HEADRACE_DATA_DIR)' : ''} cannot be rolled up: ${reason}`,
    { cause: error },
  );
}
