import { activityInfo, heartbeat } from '../temporal/activity.ts';
import { toApplicationFailure } from '../temporal/failure.ts';

/** Well below the heartbeat time-out that `workflows/batch-steps.ts` sets. */
const heartbeatMs = 2_000;

/**
 * Runs one attempt of an activity. A regular one sends heartbeats, so that the death of its worker is noticed in seconds and not
 * at the end of its time-out; whatever it throws leaves as an ApplicationFailure.
 */
export async function attempt<T>(work: () => Promise<T>): Promise<T> {
  const beating = activityInfo().isLocal ? undefined : setInterval(heartbeat, heartbeatMs);
  try {
    return await work();
  } catch (error) {
    throw toApplicationFailure(error);
  } finally {
    clearInterval(beating);
  }
}
