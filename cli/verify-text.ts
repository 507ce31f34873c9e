import type { BatchRun, OffsetRange } from '../contracts/batch-runs.ts';
import { waitText } from '../contracts/partition-state.ts';
import { redriveCommand } from '../contracts/redrive-command.ts';
import type { PartitionReport } from '../ledger/check-partitions.ts';
import { lagText } from '../status/problems.ts';
import type { WithoutBatch } from './commits.ts';
import type { VerifyReport } from './verify-report.ts';

/** Of each kind of finding so many are printed; the JSON form has all. */
const listedMax = 20;
const rangesShownMax = 4;

const verdicts: Record<VerifyReport['verdict'], string> = {
  well: 'Every record up to these offsets is in a batch, and every batch has completed or is on its way.',
  wrong: 'Something is wrong: see above.',
  unknown: 'Nothing wrong was found, but not everything could be looked at: see above.',
};

/** The report for people: one line a partition, then what is wrong with what to do about it. */
export function verifyText({
  deployment,
  ledger,
  without,
  withoutBatch,
  unread,
  incomplete,
  overdue,
  partitions,
  problems,
  unknown,
  verdict,
}: VerifyReport): string {
  const findings = [
    ...ledger.flatMap(partitionFindings),
    ...listed(withoutBatch.flatMap(({ unbatched, ...place }) => (unbatched ? [[neverStarted(place, unbatched)]] : []))),
    ...listed(
      incomplete.runs.map(({ workflowId, status, ranges }) => [
        `${workflowId} (${rangesText(ranges)}) ended as ${status}; its effects may be missing. Re-drive it:`,
        `    ${redriveCommand(workflowId)}`,
      ]),
    ),
    ...(incomplete.more || incomplete.runs.length > listedMax
      ? ['more batches ended without completing. Re-drive all of them:', '    npx headrace redrive --all']
      : []),
    ...(incomplete.unexamined
      ? [
          'more runs have ended without completing than can be looked at, most of them re-driven: others may be missing here. A shorter retention of the namespace makes them fewer',
        ]
      : []),
    ...overdueFindings(overdue),
    ...listed(problems.map(({ text, log }) => [log === undefined ? text : `${text} (${log}'s log)`])),
    ...Object.entries(unknown).map(([name, why]) => `not looked at: ${name}: ${why}`),
  ];
  return [
    `Batches of deployment ${deployment}, from the range ledger, Temporal and Kafka:`,
    '',
    ...ledger.map(partitionLine),
    ...withoutBatch.map(
      ({ pipeline, topic, partition, committed }) =>
        `  ${pipeline}  ${topic}-${partition}  committed ${committed}, no batch delivered yet`,
    ),
    ...unread.map(
      ({ pipeline, topic, partition, records }) =>
        `  ${pipeline}  ${topic}-${partition}  ${count(records)} records, and no bridge has begun to read them`,
    ),
    ...partitions
      .filter(({ lag }) => lag !== 0)
      .map((state) => `  ${state.pipeline}  ${state.topic}-${state.partition}  ${lagText(state)}`),
    ...without.map((pipeline) => `  pipeline ${pipeline}: no batch delivered yet`),
    '',
    ...findings.map((line) => `  ${line}`),
    ...(findings.length > 0 ? [''] : []),
    verdicts[verdict],
    '',
  ].join('\n');
}

function partitionLine({
  partition: ref,
  span,
  batches,
  records,
  committed,
  unwritten,
  doubled,
}: PartitionReport): string {
  const place = `${ref.topic}-${ref.partition}`;
  const epoch = ref.epoch > 0 ? `, epoch ${ref.epoch}` : '';
  const details = [
    `${count(records)} ${records === 1 ? 'record' : 'records'} in ${count(batches)} ${batches === 1 ? 'batch' : 'batches'}`,
    committed === undefined ? undefined : committed === null ? 'nothing committed' : `committed ${committed}`,
    unwritten.length > 0 ? `${unwritten.length} more on their way` : undefined,
    doubled > 0 ? `${count(doubled)} offsets were read twice, with one effect each` : undefined,
  ];
  return `  ${ref.pipeline}${epoch}  ${place}  offsets ${span.from} to ${span.to - 1}: ${details.filter(Boolean).join(', ')}`;
}

function partitionFindings({
  partition: ref,
  holes,
  moreHoles,
  overlaps,
  moreOverlaps,
  skipped,
  unexamined,
  committed,
}: PartitionReport): string[] {
  const place = `of ${ref.topic}-${ref.partition} (pipeline ${ref.pipeline})`;
  const each = (ranges: readonly OffsetRange[], tell: (range: OffsetRange) => string) =>
    listed(ranges.map((range) => [tell(range)]));
  return [
    ...each(
      holes,
      (hole) =>
        `hole: no batch has ${offsets(hole)} ${place}. Either retention deleted these records before they were read (the bridge's log says so), or their run is gone from Temporal`,
    ),
    ...(moreHoles > 0 ? [`${count(moreHoles)} more holes ${place} were not looked at`] : []),
    ...each(
      overlaps,
      (overlap) =>
        `overlap: two batches have ${offsets(overlap)} ${place}. Each sink keeps one effect of them; they were read twice, and there is nothing to do`,
    ),
    ...(moreOverlaps > 0 ? [`${count(moreOverlaps)} more overlaps ${place}`] : []),
    ...(skipped
      ? [
          `skipped: offset ${String(committed)} is committed, and no batch has ${offsets(skipped)} ${place}. Somebody else committed, or Temporal lost runs: stop the bridge, and set the group's offset back to ${skipped.from}`,
        ]
      : []),
    ...each(
      unexamined,
      (range) =>
        `not looked at: ${offsets(range)} ${place}, because too many batches may have them; try again after the next sweep, which adds completed ones to the ledger`,
    ),
  ];
}

function neverStarted(
  { pipeline, topic, partition, committed }: Omit<WithoutBatch, 'unbatched'>,
  unbatched: OffsetRange,
): string {
  return `never started: offset ${committed} is committed, and neither the ledger nor Temporal has a batch of ${topic}-${partition} (pipeline ${pipeline}) up to it, so ${offsets(unbatched)} may be without effect. Check that DATABASE_URL and HEADRACE_DEPLOYMENT are those of the workers; if they are, somebody else committed: stop the bridge, and set the group's offset back to ${unbatched.from}`;
}

function overdueFindings({ total, olderThanSeconds, runs }: VerifyReport['overdue']): string[] {
  if (total === 0) return [];
  const shown = runs.flatMap((run: BatchRun) => [
    `    ${run.workflowId}, since ${new Date(run.startedAtMs).toISOString()}`,
    ...(run.waitsFor ?? []).map((wait) => `        ${waitText(wait)}`),
  ]);
  return [
    `${count(total)} ${total === 1 ? 'batch has' : 'batches have'} been open for more than ${Math.round(olderThanSeconds / 60)} min. They go on by themselves once what they wait for works again:`,
    ...shown,
  ];
}

function listed(findings: readonly (readonly string[])[]): string[] {
  const more = findings.length - listedMax;
  return [
    ...findings.slice(0, listedMax).flat(),
    ...(more > 0 ? [`... and ${count(more)} more (--output json lists them)`] : []),
  ];
}

/** Of many partitions the first ones. */
function rangesText(ranges: BatchRun['ranges']): string {
  const shown = ranges
    .slice(0, rangesShownMax)
    .map(({ partition, position, end }) => `partition ${partition} ${offsets({ from: position, to: end })}`);
  const more = ranges.length - shown.length;
  return [...shown, ...(more > 0 ? [`${count(more)} more partitions`] : [])].join(', ') || 'its ranges are not known';
}

function offsets({ from, to }: OffsetRange): string {
  return to - from === 1 ? `offset ${from}` : `offsets ${from} to ${to - 1}`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
