import { activityInfo } from '../temporal/activity.ts';
import { deadLettersTarget } from '../contracts/names.ts';
import { attempt } from './attempt.ts';
import { recordsOf, type Batches } from '../scoring/batches.ts';
import type { ActivityReports, DeadLetterPort } from '../scoring/ports.ts';
import type { BatchActivities } from './types.ts';

/** Publishes a dead letter, with its reason, for each record that decoding or inference refused. */
export function createDeadLetter({
  batches,
  deadLetters,
  reports,
}: {
  batches: Batches;
  deadLetters: DeadLetterPort;
  reports: ActivityReports;
}): BatchActivities['deadLetter'] {
  return async function deadLetter(batch, decisionsId) {
    return attempt(async () => {
      const loaded = await batches.loadDecided(batch, decisionsId);
      const { workflowId } = activityInfo().workflowExecution!;
      const rejections = [...loaded.features.header.rejections, ...loaded.decisions.header.rejections];
      const records = recordsOf(loaded);
      await deadLetters.publish(
        rejections.map((rejection) => ({ batch, record: records[rejection.index]!, rejection, workflowId })),
      );
      if (batches.delivered(loaded, deadLettersTarget))
        reports.deliveredEverywhere(batch.pipeline, loaded.recordTimesMs);
      return rejections.length;
    });
  };
}
