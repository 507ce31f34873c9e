import { defineSearchAttributeKey, SearchAttributeType, type SearchAttributeUpdatePair } from '@temporalio/common';
import type { DecisionsHeader } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { searchAttributes } from '../contracts/names.ts';

/** What the Web UI shows of a batch. Counts and versions only: nothing personal may stand here. */

export type DeliveryStates = Record<string, 'delivering' | 'retrying' | 'delivered'>;

const keys = {
  modelVersion: defineSearchAttributeKey(searchAttributes.modelVersion.name, SearchAttributeType.KEYWORD),
  outcomes: defineSearchAttributeKey(searchAttributes.outcomes.name, SearchAttributeType.KEYWORD_LIST),
  eventCount: defineSearchAttributeKey(searchAttributes.eventCount.name, SearchAttributeType.INT),
  rejectedCount: defineSearchAttributeKey(searchAttributes.rejectedCount.name, SearchAttributeType.INT),
  eventTimeMin: defineSearchAttributeKey(searchAttributes.eventTimeMin.name, SearchAttributeType.DATETIME),
  eventTimeMax: defineSearchAttributeKey(searchAttributes.eventTimeMax.name, SearchAttributeType.DATETIME),
};

export function batchAttributes(decided: DecisionsHeader): SearchAttributeUpdatePair[] {
  const eventCount = Object.values(decided.outcomeCounts).reduce((sum, count) => sum + count, 0);
  const span = decided.eventTimeMs;
  return [
    { key: keys.modelVersion, value: `${decided.model.name}@${decided.model.version}` },
    { key: keys.outcomes, value: Object.keys(decided.outcomeCounts) },
    { key: keys.eventCount, value: eventCount },
    { key: keys.rejectedCount, value: decided.rejectedCount },
    ...(span
      ? [
          { key: keys.eventTimeMin, value: new Date(span.min) },
          { key: keys.eventTimeMax, value: new Date(span.max) },
        ]
      : []),
  ];
}

/** The small table of "current details". */
export function batchDetails(
  batch: BatchRef,
  stage: string,
  decided?: DecisionsHeader,
  states: DeliveryStates = {},
): string {
  const rows: [string, string][] = [
    ['stage', stage],
    ['records', `${batch.count} of ${batch.topic}-${batch.partition}, offsets ${batch.position} to ${batch.end - 1}`],
  ];
  if (decided) {
    rows.push(['outcomes', counts(decided.outcomeCounts) || 'none']);
    rows.push([
      'model',
      `${decided.model.name}, version ${decided.model.version}${decided.degradedCount > 0 ? `, ${decided.degradedCount} degraded` : ''}`,
    ]);
    if (decided.rejectedCount > 0) rows.push(['dead letters', String(decided.rejectedCount)]);
  }
  for (const [sink, state] of Object.entries(states))
    rows.push([sink, `${state} ${decided?.sinkCounts[sink] || ''}`.trim()]);
  return ['| | |', '| --- | --- |', ...rows.map(([name, text]) => `| ${name} | ${text} |`)].join('\n');
}

function counts(byName: Record<string, number>): string {
  return Object.entries(byName)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
