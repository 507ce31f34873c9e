import { continueAsNew, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { ResumeActivities } from '../activities/resume.ts';
import {
  partsOf,
  type ReadAgainPlan,
  type ReadAgainReport,
  type ResumeInput,
  type ResumeProgress,
  type ResumeReport,
} from '../contracts/resume.ts';
import { heartbeats } from '../contracts/timeouts.ts';

const { tolerateRefusals, planReadAgain, readAgain } = proxyActivities<ResumeActivities>({
  startToCloseTimeout: '5 minutes',
  heartbeatTimeout: heartbeats.upkeep.timeoutMs,
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '30s',
    nonRetryableErrorTypes: ['PIPELINE_UNKNOWN'],
  },
});

/** Steps after which a run goes on as a new one. A page has at most 1,000 more, and each is six events of the history. */
const stepsMax = 500;

/** Lets a halted pipeline go on; or reads again what it refused, after its schema was mended. */
export async function resume(input: ResumeInput, progress?: ResumeProgress): Promise<ResumeReport> {
  if (input.from === undefined) return { tolerated: await tolerateRefusals(input) };
  const reports = progress?.reports ?? [];
  let left = progress?.left;
  let steps = 0;
  do {
    // 1. Which records, page by page: recorded, so that what is refused meanwhile does not change it.
    const page = await planReadAgain(input, left);
    left = page.left;
    // 2. Part by part.
    for (const plan of page.plans) steps += await readPlanAgain(input, plan, reportOf(reports, plan));
    if (left && ++steps >= stepsMax) await continueAsNew<typeof resume>(input, { left, reports });
  } while (left);
  return { readAgain: reports };
}

/** What has become of a partition's records so far; the first page begins it. */
function reportOf(reports: ReadAgainReport[], { partition, decidedTo }: ReadAgainPlan): ReadAgainReport {
  const known = reports.find((each) => each.partition === partition);
  if (known) return known;
  const report: ReadAgainReport = { partition, decidedTo, gone: 0, copied: 0, refused: 0 };
  reports.push(report);
  return report;
}

/** Adds to the report. Returns how many steps it took. */
async function readPlanAgain(
  input: ResumeInput,
  { partition, offsets, gone }: ReadAgainPlan,
  report: ReadAgainReport,
): Promise<number> {
  const parts = partsOf(offsets);
  report.gone += gone;
  for (const part of parts) {
    const { copied, gone: lost, refused, example } = await readAgain(input, partition, part);
    report.copied += copied;
    report.gone += lost;
    report.refused += refused;
    report.example ??= example;
    setCurrentDetails(
      `partition ${partition}: ${report.copied + report.gone + report.refused} refused records looked at, ${report.copied} read again`,
    );
  }
  return parts.length;
}
