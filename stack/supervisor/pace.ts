import { availableParallelism } from 'node:os';

/** The bridge's own default, for a Temporal that has machines of its own. */
const paceMax = 30;
const pacePerCore = 8;

/**
 * Batch starts per second where all servers share one machine. A small batch costs them 55 to 80 ms of CPU together: at a higher
 * pace batches wait for each other longer than events wait for a batch at this one (docs/decisions/0031).
 */
export function embeddedPace(cores = availableParallelism()): number {
  return Math.min(paceMax, pacePerCore * cores);
}
