import type { HaltedRun } from '../contracts/batch-runs.ts';
import type { ReadAgainReport, ResumeInput, ResumeReport } from '../contracts/resume.ts';

const placesShownMax = 4;

/** Which batches wait, and why: the reason names the partition that is refused. */
export function haltedText(halted: readonly HaltedRun[]): string {
  return halted
    .map(({ workflowId, ranges, reason }) => {
      const places = ranges.map(({ partition, position }) => `${partition} from offset ${position}`);
      const more = places.length - placesShownMax;
      return `${workflowId} waits (partition ${places.slice(0, placesShownMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}): ${reason}\n`;
    })
    .join('');
}

/** What was done, for people. */
export function resumeText(input: ResumeInput, { tolerated, readAgain = [] }: ResumeReport): string {
  if (tolerated)
    return `What pipeline "${input.pipeline}" refuses on partition ${tolerated.join(', ')} goes into dead letters from now on, on each until it accepts an event. Batches that wait go on within seconds.\n`;
  const lines = readAgain
    .filter(({ copied, gone, refused }) => copied + gone + refused > 0)
    .map((report) => readAgainText(report));
  if (lines.length === 0)
    lines.push(
      `Nothing that pipeline "${input.pipeline}" has refused from offset ${input.from} on is left to be read again.`,
    );
  return `${lines.join('\n')}\n`;
}

function readAgainText({ partition, copied, gone, refused, example }: ReadAgainReport): string {
  const parts = [`partition ${partition}: ${copied} refused records are read again, from the end of the partition`];
  if (refused > 0)
    parts.push(
      `${refused} keep their dead letters, because the pipeline refuses them as before${example ? ` (offset ${example.offset}: ${example.code}, ${example.reason})` : ''}`,
    );
  if (gone > 0) parts.push(`${gone} are gone: the topic does not hold them any more`);
  return parts.join('; ');
}

/** Why the command did not do what was asked; undefined when it did, or when there was nothing to do. */
export function problemOf(
  input: ResumeInput,
  { readAgain = [] }: ResumeReport,
  halted: readonly number[],
): string | undefined {
  if (input.from === undefined) return undefined;
  const { from } = input;
  const total = (of: (report: ReadAgainReport) => number) => readAgain.reduce((sum, report) => sum + of(report), 0);
  const asked = input.partitions.length > 0 ? input.partitions : undefined;
  const unknown = asked?.filter((partition) => !readAgain.some((report) => report.partition === partition)) ?? [];
  if (unknown.length > 0) return `the topic has no partition ${unknown.join(', ')}`;
  if (total(({ copied }) => copied) > 0) return undefined;
  if (total(({ refused }) => refused) > 0)
    return 'nothing was read again, because the pipeline refuses all of it as before; start the workers again with the mended one first';
  if (total(({ gone }) => gone) > 0)
    return `retention has deleted what was refused from offset ${from} on; the dead letters still hold it`;
  const beyond = readAgain.filter(
    ({ partition, decidedTo }) => from > (decidedTo ?? 0) && (asked?.includes(partition) ?? true),
  );
  if (beyond.length < readAgain.filter(({ partition }) => asked?.includes(partition) ?? true).length) return undefined;
  const waits = beyond.map(
    ({ partition, decidedTo }) =>
      `partition ${partition} ${halted.includes(partition) ? 'waits' : 'is decided up to'} ${halted.includes(partition) ? 'at ' : ''}offset ${decidedTo ?? 0}`,
  );
  return `offset ${from} is not decided yet (${waits.join(', ')}): nothing is skipped, and it is decided in its turn`;
}
