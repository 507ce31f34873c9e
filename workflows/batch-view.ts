import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType, type SearchAttributeUpdatePair } from '@temporalio/common';
import type { DecisionsHeader } from '../contracts/decisions-frame.ts';
import { recordCount, type BatchRef } from '../contracts/event-key.ts';
import { searchAttributes } from '../contracts/names.ts';

/** What the Web UI shows of a batch. Counts and versions only: nothing personal may stand here. */

type DeliveryStates = Record<string, 'delivering' | 'retrying' | 'delivered'>;

const keys = {
  modelVersion: defineSearchAttributeKey(searchAttributes.modelVersion.name, SearchAttributeType.KEYWORD),
  outcomes: defineSearchAttributeKey(searchAttributes.outcomes.name, SearchAttributeType.KEYWORD_LIST),
  eventCount: defineSearchAttributeKey(searchAttributes.eventCount.name, SearchAttributeType.INT),
  rejectedCount: defineSearchAttributeKey(searchAttributes.rejectedCount.name, SearchAttributeType.INT),
  eventTimeMin: defineSearchAttributeKey(searchAttributes.eventTimeMin.name, SearchAttributeType.DATETIME),
  eventTimeMax: defineSearchAttributeKey(searchAttributes.eventTimeMax.name, SearchAttributeType.DATETIME),
};

function batchAttributes(decided: DecisionsHeader): SearchAttributeUpdatePair[] {
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

/** What one run shows of itself: its stages with their times, then what was decided, then each sink with its state. */
export class BatchView {
  /** In order; the last one goes on. */
  readonly #stages: { name: string; sinceMs: number }[] = [];
  readonly #deliveries: DeliveryStates = {};
  #decided: DecisionsHeader | undefined;

  constructor(private readonly batch: BatchRef) {}

  enter(stage: string): void {
    this.#stages.push({ name: stage, sinceMs: Date.now() });
    this.#show();
  }

  showDecided(decided: DecisionsHeader, targets: readonly string[]): void {
    this.#decided = decided;
    for (const target of targets) this.#deliveries[target] = 'delivering';
    this.enter('delivering');
  }

  showDelivery(target: string, state: DeliveryStates[string]): void {
    this.#deliveries[target] = state;
    this.#show();
  }

  /** Writes the search attributes. */
  tellVisibility(decided: DecisionsHeader): void {
    upsertSearchAttributes(batchAttributes(decided));
  }

  #show(): void {
    const stage = this.#stages.at(-1)!;
    const rows: [string, string][] = [
      ['stage', `${stage.name}, since ${new Date(stage.sinceMs).toISOString().slice(11, 23)}`],
      ...recordsRows(this.batch),
      ...this.#stages
        .slice(0, -1)
        .map(({ name, sinceMs }, i): [string, string] => [name, `${this.#stages[i + 1]!.sinceMs - sinceMs} ms`]),
      ...(this.#decided ? decidedRows(this.#decided) : []),
      ...Object.entries(this.#deliveries).map(([sink, state]): [string, string] => [
        sink,
        `${state} ${this.#decided?.sinkCounts[sink] || ''}`.trim(),
      ]),
    ];
    setCurrentDetails(['| | |', '| --- | --- |', ...rows.map(([name, text]) => `| ${name} | ${text} |`)].join('\n'));
  }
}

/** Ranges that one run shows by themselves. */
const rangesShownMax = 16;

function recordsRows({ topic, ranges }: BatchRef): [string, string][] {
  const rows = ranges
    .slice(0, rangesShownMax)
    .map(({ partition, position, end, count }): [string, string] => [
      'records',
      `${count} of ${topic}-${partition}, offsets ${position} to ${end - 1}`,
    ]);
  const rest = ranges.slice(rangesShownMax);
  return rest.length === 0
    ? rows
    : [...rows, ['records', `${recordCount({ ranges: rest })} of ${rest.length} more partitions`]];
}

function decidedRows({ outcomeCounts, model, degradedCount, rejectedCount }: DecisionsHeader): [string, string][] {
  const degraded = degradedCount > 0 ? `, ${degradedCount} degraded` : '';
  return [
    ['outcomes', counts(outcomeCounts) || 'none'],
    ['model', `${model.name}, version ${model.version}${degraded}`],
    ...(rejectedCount > 0 ? [['dead letters', String(rejectedCount)] as [string, string]] : []),
  ];
}

function counts(byName: Record<string, number>): string {
  return Object.entries(byName)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
