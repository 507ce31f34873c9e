import type { ServiceStatus } from '../../../stack/supervisor/index.ts';
import type { Figures, Latency, PipelineFigures } from './figures.ts';

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function latency({ p50Ms, p99Ms }: Latency): string {
  return `p50 ${whole(p50Ms)} p99 ${whole(p99Ms)} ms`;
}

const reasons: Record<string, string> = {
  temporal: 'batches to be scored (when Temporal is up, logs/worker.log says why)', kafka: 'Kafka', open_batches: 'sinks to deliver open batches', budget: 'the batch budget', halted: 'you: a chain is halted, see the bridge\'s log',
};

/** What the system waits for, in words; empty when it waits for nothing. */
export function describeWaiting(figures: Figures | undefined, services: readonly ServiceStatus[]): string[] {
  const down = services.filter(({ state }) => state === 'restarting' || state === 'starting' || state === 'failed').map(({ name, state }) => `${name} (${state})`);
  const lanes = Object.entries(figures?.waiting ?? {}).map(([reason, partitions]) => `${reasons[reason] ?? reason} (${partitions} partition${partitions === 1 ? '' : 's'})`);
  const waiting = [...down, ...lanes];
  if (waiting.length === 0 && (figures === undefined || figures.eventsTotal === 0)) return ['the first events'];
  return waiting;
}

function describeCounts({ outcomes, late, deadLetters, reviewsOpen, reviewsWaiting }: PipelineFigures): string[] {
  const decided = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${whole(count)}`);
  return [
    ...(decided.length > 0 ? [decided.join(' ')] : []),
    ...(late === undefined ? [] : [`late ${whole(late)}`]),
    `dead letters ${whole(deadLetters)}`,
    `open reviews ${whole(reviewsOpen)}${reviewsWaiting > 0 ? ` (${whole(reviewsWaiting)} wait to be opened)` : ''}`,
  ];
}

const nothingCounted: PipelineFigures = { outcomes: {}, deadLetters: 0, reviewsOpen: 0, reviewsWaiting: 0 };

/**
 * The live line; when several pipelines run, one for all of them together and one with the counts of each.
 * @param pipelines names of those that run: the servers may know of others, too.
 */
export function describeFigures(figures: Figures | undefined, services: readonly ServiceStatus[], pipelines: readonly string[]): string[] {
  const waiting = describeWaiting(figures, services);
  const parts: string[] = [];
  const countsOf = (name: string) => describeCounts(figures?.pipelines[name] ?? nothingCounted);
  if (figures !== undefined) {
    parts.push(`${whole(figures.eventsPerSecond)} events/s`);
    if (figures.scored !== undefined) parts.push(`scored ${latency(figures.scored)}`);
    if (figures.delivered !== undefined) parts.push(`all sinks ${latency(figures.delivered)}`);
    parts.push(`lag ${whole(figures.lagRecords)}`);
    if (pipelines.length === 1) parts.push(...countsOf(pipelines[0]!));
  }
  if (waiting.length > 0) parts.push(`waiting for ${waiting.join(', ')}`);
  const each = figures === undefined || pipelines.length === 1 ? [] : pipelines.map((name) => `${name}: ${countsOf(name).join(' | ')}`);
  return [parts.join(' | '), ...each];
}
