import type { ServiceStatus } from '@headrace/stack/supervisor';
import { lasting } from '../../../status/problems.ts';
import type { Standstills } from './standstills.ts';
import type { Figures, Latency, PipelineFigures } from './figures.ts';

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function latency({ p50Ms, p99Ms }: Latency): string {
  return `p50 ${whole(p50Ms)} p99 ${whole(p99Ms)} ms`;
}

/** As the metrics of the bridges have it, for when the gateway does not say more. */
const reasons: Record<string, string> = {
  temporal: 'Temporal to take batches',
  kafka: 'Kafka',
  open_batches: 'sinks to take open batches',
  halted: 'you: a partition is halted',
  transaction: 'a transaction to end',
  failing: 'a step that fails',
  paused: 'somebody to let a batch go on that is paused',
  no_worker: 'a worker',
};
const shownMax = 2;

/** What the system waits for, in words; empty when it waits for nothing. */
function describeWaiting(
  figures: Figures | undefined,
  services: readonly ServiceStatus[],
  standstills?: Standstills,
): string[] {
  const down = services
    .filter(({ state }) => state === 'restarting' || state === 'starting' || state === 'failed')
    .map(({ name, state }) => `${name} (${state})`);
  const lanes = Object.entries(figures?.waiting ?? {}).map(
    ([reason, partitions]) =>
      `${reasons[reason] ?? reason} (${partitions} partition${partitions === 1 ? '' : 's'}; the bridge's log says why${fileOf(services, 'bridge')})`,
  );
  const isTold = standstills !== undefined && standstills.problems.some(({ place }) => place !== 'gateway');
  const waiting = [...down, ...(isTold ? [] : lanes)];
  if (waiting.length === 0 && !isTold && (figures === undefined || figures.eventsTotal === 0))
    return ['the first events'];
  return waiting;
}

function fileOf(services: readonly ServiceStatus[], service: string): string {
  const file = services.find(({ name }) => name === service)?.logFile;
  return file === undefined ? '' : `: ${file}`;
}

/** What stands, in some words; whole sentences are told when it begins. */
function describeStandstills({ problems, unknown }: Standstills): string[] {
  const more = problems.length - shownMax;
  const missing = Object.keys(unknown);
  return [
    ...(problems.length > 0
      ? [
          `standing: ${problems
            .slice(0, shownMax)
            .map(({ short }) => short)
            .join('; ')}${more > 0 ? `; and ${more} more` : ''} (headrace status says why)`,
        ]
      : []),
    ...(missing.length > 0 ? [`not known: ${missing.slice(0, shownMax).join(', ')}`] : []),
  ];
}

function known(value: number | undefined): string {
  return value === undefined ? 'unknown' : whole(value);
}

function describeCounts({ outcomes, late, deadLetters, reviewsOpen, reviewsWaiting }: PipelineFigures): string[] {
  const decided = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${whole(count)}`);
  return [
    ...(decided.length > 0 ? [decided.join(' ')] : []),
    ...(late === undefined ? [] : [`late ${whole(late)}`]),
    `dead letters ${known(deadLetters)}`,
    `open reviews ${known(reviewsOpen)}${reviewsWaiting ? ` (${whole(reviewsWaiting)} wait to be opened)` : ''}`,
  ];
}

const nothingCounted: PipelineFigures = { outcomes: {} };
/** A share of late events that is worth a word. */
const lateShareShown = 0.01;
const oldestSecondsShown = 10;

function lag({ lagRecords, oldestSeconds = 0 }: Figures, standstills: Standstills | undefined): string {
  const records = lagRecords ?? standstills?.lagRecords;
  return `lag ${known(records)}${records !== 0 && oldestSeconds >= oldestSecondsShown ? ` (oldest ${lasting(oldestSeconds)})` : ''}`;
}

/**
 * The live line; when several pipelines run, one for all of them together and one with the counts of each.
 * @param pipelines names of those that run: the servers may know of others, too.
 */
export function describeFigures(
  figures: Figures | undefined,
  services: readonly ServiceStatus[],
  pipelines: readonly string[],
  standstills?: Standstills,
): string[] {
  const waiting = describeWaiting(figures, services, standstills);
  const parts: string[] = [];
  const countsOf = (name: string) => describeCounts(figures?.pipelines[name] ?? nothingCounted);
  if (figures !== undefined) {
    parts.push(`${whole(figures.eventsPerSecond)} events/s`);
    if (figures.scored !== undefined) parts.push(`scored ${latency(figures.scored)}`);
    if (figures.delivered !== undefined) parts.push(`all sinks ${latency(figures.delivered)}`);
    parts.push(lag(figures, standstills));
    if ((figures.lateShare ?? 0) >= lateShareShown) parts.push(`${Math.round(figures.lateShare! * 100)}% late now`);
    if (pipelines.length === 1) parts.push(...countsOf(pipelines[0]!));
  }
  if (waiting.length > 0) parts.push(`waiting for ${waiting.join(', ')}`);
  if (standstills) parts.push(...describeStandstills(standstills));
  const each =
    figures === undefined || pipelines.length === 1
      ? []
      : pipelines.map((name) => `${name}: ${countsOf(name).join(' | ')}`);
  return [parts.join(' | '), ...each];
}
