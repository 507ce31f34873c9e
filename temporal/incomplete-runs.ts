import type { BatchRun, IncompleteRuns } from '../contracts/batch-runs.ts';
import { parseBatchId, type TopicRef } from '../contracts/event-key.ts';

/** A run as a list shows it. */
export interface ListedRun {
  workflowId: string;
  /** Infinity while it is open. */
  closedAtMs: number;
}

/** What is asked of Temporal. Lists come a moment late, a single run is exact; each call has a deadline of its own. */
export interface RunLists {
  /** Runs that ended without completing, those that were reset among them, page by page. */
  ended(page: Uint8Array | undefined): Promise<{ runs: ListedRun[]; next?: Uint8Array }>;
  /** Runs of these workflow ids that are open, or have completed. */
  well(workflowIds: readonly string[]): Promise<ListedRun[]>;
  /** The latest run of a workflow id when it ended without completing. */
  incompleteAt(workflowId: string): Promise<BatchRun | undefined>;
}

export interface LookingLimits {
  /** Runs that ended without completing are looked at up to here, re-driven ones among them. @default 50000 */
  lookedAtMax?: number;
  /** How long to look for, less than an attempt of the sweep has. @default 120000 */
  lookingMaxMs?: number;
  nowMs?: () => number;
}

/** Described side by side. */
const describedAtOnce = 16;

/**
 * Finds batches whose latest run ended without completing. A run that was reset stays in the lists as it ended for as long as
 * Temporal keeps it, so most of what is listed may be re-driven long since: of those a list tells it, and only the others are
 * described. `isMoot` says which topics are of no interest.
 */
export async function findIncomplete(
  lists: RunLists,
  max: number,
  isMoot: (topic: TopicRef) => boolean,
  limits: LookingLimits = {},
): Promise<IncompleteRuns> {
  const { lookedAtMax = 50_000, lookingMaxMs = 120_000, nowMs = () => performance.now() } = limits;
  const endMs = nowMs() + lookingMaxMs;
  const runs: BatchRun[] = [];
  const described = new Set<string>();
  let page: Uint8Array | undefined;
  let lookedAt = 0;
  do {
    if (lookedAt >= lookedAtMax || nowMs() >= endMs) return { runs, more: false, unexamined: true };
    const { runs: ended, next } = await lists.ended(page);
    lookedAt += ended.length;
    page = next;
    const ids = (
      await withoutRedriven(
        lists,
        ended.filter(({ workflowId }) => !isMoot(parseBatchId(workflowId))),
      )
    ).filter((id) => !described.has(id));
    for (let i = 0; i < ids.length; i += describedAtOnce) {
      const some = ids.slice(i, i + describedAtOnce);
      for (const id of some) described.add(id);
      runs.push(...(await Promise.all(some.map((id) => lists.incompleteAt(id)))).filter((run) => run !== undefined));
      if (runs.length > max) return { runs: runs.slice(0, max), more: true, unexamined: false };
    }
  } while (page !== undefined);
  return { runs, more: false, unexamined: false };
}

/** The ids of which no other run is open, or has completed since. The latest run of an id is the one that closed last. */
async function withoutRedriven(lists: RunLists, ended: readonly ListedRun[]): Promise<string[]> {
  const ids = [...new Set(ended.map(({ workflowId }) => workflowId))];
  if (ids.length === 0) return [];
  const wellSince = lastClosed(await lists.well(ids));
  const endedLast = lastClosed(ended);
  return ids.filter((id) => !((wellSince.get(id) ?? -Infinity) > endedLast.get(id)!));
}

function lastClosed(runs: readonly ListedRun[]): Map<string, number> {
  const last = new Map<string, number>();
  for (const { workflowId, closedAtMs } of runs)
    last.set(workflowId, Math.max(closedAtMs, last.get(workflowId) ?? -Infinity));
  return last;
}
