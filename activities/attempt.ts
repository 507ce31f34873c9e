import { Context } from '../temporal/activity.ts';
import { toApplicationFailure } from '../temporal/failure.ts';
import { heartbeats } from '../contracts/timeouts.ts';

/**
 * Runs one attempt of an activity. A regular one sends heartbeats, so that the death of its worker is noticed in seconds and not
 * at the end of its time-out; whatever it throws leaves as an ApplicationFailure. What `work` tells of its progress goes with the
 * heartbeats, and shows in the Web UI.
 */
export async function attempt<T>(work: (tell: (progress: unknown) => void) => Promise<T>): Promise<T> {
  const context = Context.current();
  let progress: unknown;
  const beating = context.info.isLocal
    ? undefined
    : setInterval(() => context.heartbeat(progress), heartbeats.batch.everyMs);
  try {
    return await work((told) => (progress = told));
  } catch (error) {
    throw toApplicationFailure(error);
  } finally {
    clearInterval(beating);
  }
}
