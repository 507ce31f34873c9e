import { log, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { SweepActivities, SweepResult } from '../activities/sweep.ts';
import { redriveCommand } from '../contracts/redrive-command.ts';
import { heartbeats } from '../contracts/timeouts.ts';

/** Tries are few, because the next run of the schedule looks at everything again. */
const { sweepChains } = proxyActivities<SweepActivities>({
  startToCloseTimeout: '4 minutes',
  heartbeatTimeout: heartbeats.upkeep.timeoutMs,
  retry: { initialInterval: '1s', backoffCoefficient: 3, maximumInterval: '10s', maximumAttempts: 3 },
});

/**
 * Looks for records without effect: batches that ended without completing, and offsets that no batch has. It tells what it finds
 * and re-drives nothing: whoever ended a batch had a reason, and a batch that fails would fail again.
 */
export async function sweep(): Promise<SweepResult> {
  const found = await sweepChains();
  const { partitions, incomplete, moreIncomplete, unexaminedIncomplete, holes, moreHoles, overlaps } = found;
  for (const { workflowId, status } of incomplete) {
    log.error(
      `${workflowId} ended as ${status} and its effects may be missing; re-drive it: ${redriveCommand(workflowId)}`,
    );
  }
  if (moreIncomplete)
    log.error('more batches than these ended without completing; re-drive all of them: npx headrace redrive --all');
  if (unexaminedIncomplete)
    log.error(
      'more runs have ended without completing than a sweep looks at, so others may be missing from this list; a shorter retention of the namespace makes them fewer',
    );
  for (const { pipeline, topic, partition, from, to } of holes) {
    log.error(
      `no batch has offsets ${from} to ${to - 1} of ${topic}-${partition} (pipeline ${pipeline}); see npx headrace status --verify`,
    );
  }
  if (moreHoles > 0)
    log.error(`${moreHoles} more holes; npx headrace status --verify --output json lists the first of each partition`);
  for (const { pipeline, topic, partition, from, to } of overlaps) {
    log.warn(
      `two batches have offsets ${from} to ${to - 1} of ${topic}-${partition} (pipeline ${pipeline}); each sink keeps one effect of them`,
    );
  }
  setCurrentDetails(
    `${partitions} partitions, ${incomplete.length}${moreIncomplete ? ' and more' : ''} batches that ended without completing, ${holes.length + moreHoles} holes, ${overlaps.length} overlaps`,
  );
  return found;
}
