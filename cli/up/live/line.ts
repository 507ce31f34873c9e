import type { ServiceStatus } from '../../../stack/supervisor/index.ts';
import type { Figures, Latency } from './figures.ts';

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function latency({ p50Ms, p99Ms }: Latency): string {
  return `p50 ${whole(p50Ms)} p99 ${whole(p99Ms)} ms`;
}

const reasons: Record<string, string> = {
  temporal: 'Temporal', kafka: 'Kafka', open_batches: 'sinks to deliver open batches', budget: 'the batch budget', halted: 'you: a chain is halted, see the bridge\'s log',
};

/** What the system waits for, in words; empty when it waits for nothing. */
export function describeWaiting(figures: Figures | undefined, services: readonly ServiceStatus[]): string[] {
  const down = services.filter(({ state }) => state === 'restarting' || state === 'starting' || state === 'failed').map(({ name, state }) => `${name} (${state})`);
  const lanes = Object.entries(figures?.waiting ?? {}).map(([reason, partitions]) => `${reasons[reason] ?? reason} (${partitions} partition${partitions === 1 ? '' : 's'})`);
  const waiting = [...down, ...lanes];
  if (waiting.length === 0 && (figures === undefined || figures.eventsTotal === 0)) return ['the first events'];
  return waiting;
}

/** The live line. */
export function describeFigures(figures: Figures | undefined, services: readonly ServiceStatus[]): string {
  const waiting = describeWaiting(figures, services);
  const parts: string[] = [];
  if (figures !== undefined) {
    parts.push(`${whole(figures.eventsPerSecond)} events/s`);
    if (figures.scored !== undefined) parts.push(`scored ${latency(figures.scored)}`);
    if (figures.delivered !== undefined) parts.push(`all sinks ${latency(figures.delivered)}`);
    parts.push(`lag ${whole(figures.lagRecords)}`);
    const outcomes = Object.entries(figures.outcomes).map(([outcome, count]) => `${outcome} ${whole(count)}`);
    if (outcomes.length > 0) parts.push(outcomes.join(' '));
    parts.push(`dead letters ${whole(figures.deadLetters)}`, `open reviews ${whole(figures.reviewsOpen)}`);
  }
  if (waiting.length > 0) parts.push(`waiting for ${waiting.join(', ')}`);
  return parts.join(' | ');
}
