import { proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { ResumeActivities } from '../activities/resume.ts';
import type { ReadAgainPart, ReadAgainPlan, ReadAgainReport, ResumeInput, ResumeReport } from '../contracts/resume.ts';

const { tolerateRefusals, planReadAgain, readAgain } = proxyActivities<ResumeActivities>({
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: '30s',
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '30s',
    nonRetryableErrorTypes: ['PIPELINE_UNKNOWN'],
  },
});

/** A try that fails may have copied some, and copies them again: so each takes few. */
const partMax = 500;

/** Lets a halted pipeline go on; or reads again what it refused, after its schema was mended. */
export async function resume(input: ResumeInput): Promise<ResumeReport> {
  if (input.from === undefined) return { tolerated: await tolerateRefusals(input) };
  // 1. Which records: recorded, so that what is refused meanwhile does not change it.
  const { plans, more } = await planReadAgain(input);
  const reports: ReadAgainReport[] = [];
  for (const plan of plans) reports.push(await readPlanAgain(input, plan));
  return { readAgain: reports, ...(more ? { more } : {}) };
}

/** 2. Part by part. */
async function readPlanAgain(
  input: ResumeInput,
  { partition, offsets, gone, decidedTo }: ReadAgainPlan,
): Promise<ReadAgainReport> {
  const report: ReadAgainReport = { partition, decidedTo, gone, copied: 0, refused: 0 };
  for (let from = 0; from < offsets.length; from += partMax) {
    const part: ReadAgainPart = await readAgain(input, partition, offsets.slice(from, from + partMax));
    report.copied += part.copied;
    report.gone += part.gone;
    report.refused += part.refused;
    report.example ??= part.example;
    setCurrentDetails(
      `partition ${partition}: ${from + partMax < offsets.length ? from + partMax : offsets.length} of ${offsets.length} refused records looked at, ${report.copied} read again`,
    );
  }
  return report;
}
