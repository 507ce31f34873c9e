import { randomUUID } from 'node:crypto';
import type { Decisions } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { HeadraceError, type FailureCode } from '../contracts/failures.ts';
import { namerOf } from '../contracts/features-frame.ts';
import { ledgerTarget } from '../contracts/names.ts';
import type { AnyPipeline, DecideInput } from '../contracts/pipeline.ts';
import { refusePromise } from '../contracts/refuse-promise.ts';
import { nameOf } from '../contracts/rejection.ts';
import type { LoadedBatch } from './loaded-batch.ts';
import { predictionOf } from './decision-rows.ts';
import { assertMayBlame } from './policy-evidence.ts';
import type { RowPredictions } from './predict-rows.ts';

/** Applies the pipeline's policy and sink conditions to every row. A row that they fail on gets a dead letter; its neighbours go on. Throws `PIPELINE_WRONG` when they seem to fail on every row. */
export function decideRows(batch: BatchRef, loaded: LoadedBatch, predicted: RowPredictions): Decisions {
  const { pipeline, events, features } = loaded;
  const rows = events.length;
  const whys = new Map<string, number>();
  /** Why the policy failed, for each row that it failed on. */
  const undecided: string[] = [];
  const decisions = emptyDecisions(batch, loaded, predicted);
  const { outcomeCounts, sinkCounts, rejections, outputs } = decisions.header;
  const { names } = features.header;
  const featuresByName = namerOf(names);
  for (let row = 0; row < rows; row++) {
    const refused = predicted.refused.get(row);
    const decided =
      refused ??
      decideRow(pipeline, {
        event: events[row]!.event as never,
        features: featuresByName(features.values, row * names.length),
        prediction: predictionOf(outputs, predicted.predictions, row),
        degraded: predicted.degraded,
      });
    if ('code' in decided) {
      if (!refused) undecided.push(decided.reason);
      rejections.push({ index: features.recordIndex[row]!, step: 'infer', ...decided });
      continue;
    }
    decisions.outcome[row] = decided.outcome;
    decisions.why[row] = whyIndex(whys, decided.why);
    decisions.sinks[row] = decided.sinks;
    const outcome = pipeline.outcomes[decided.outcome]!;
    outcomeCounts[outcome] = (outcomeCounts[outcome] ?? 0) + 1;
    for (let i = 0; i < pipeline.sinks.length; i++) {
      const { sink } = pipeline.sinks[i]!;
      if (decided.sinks & (1 << i)) sinkCounts[sink] = (sinkCounts[sink] ?? 0) + 1;
    }
  }
  assertMayBlame(loaded, 'decide', {
    accepted: rows - rejections.length,
    failed: undecided.length,
    reason: undecided[0] ?? '',
  });
  // Its segments show the chain: one that is missing would be taken for a hole.
  if (pipeline.sinks.some(({ sink }) => sink === 'lake')) sinkCounts['lake'] ??= 0;
  // Also a batch without a single decision has taken its range.
  sinkCounts[ledgerTarget] = 0;
  decisions.header.whys = [...whys.keys()];
  decisions.header.degradedCount = predicted.degraded ? rows - rejections.length : 0;
  decisions.header.rejectedCount = features.header.rejections.length + rejections.length;
  return decisions;
}

/** The decisions of a batch before its first row is decided. */
function emptyDecisions(batch: BatchRef, { pipeline, events }: LoadedBatch, predicted: RowPredictions): Decisions {
  const rows = events.length;
  return {
    header: {
      kind: 'decisions',
      id: randomUUID(),
      batch,
      model: { name: pipeline.model.name, version: predicted.version },
      outputs: Object.entries(pipeline.model.outputs).map(([name, width]) => ({ name, width })),
      outcomes: [...pipeline.outcomes],
      whys: [],
      sinks: pipeline.sinks.map(({ sink }) => sink),
      outcomeCounts: {},
      sinkCounts: {},
      degradedCount: 0,
      rejectedCount: 0,
      rejections: [],
      eventTimeMs: spanOf(events.map(({ eventTimeMs }) => eventTimeMs)),
    },
    predictions: predicted.predictions,
    outcome: new Uint8Array(rows),
    why: new Uint16Array(rows),
    sinks: new Uint32Array(rows),
    degraded: new Uint8Array(rows).fill(predicted.degraded ? 1 : 0),
  };
}

type DecidedRow = { outcome: number; why: string; sinks: number };
type RefusedRow = { code: FailureCode; reason: string };

function decideRow(pipeline: AnyPipeline, input: DecideInput<never>): DecidedRow | RefusedRow {
  try {
    const decision = pipeline.decide(input);
    refusePromise(pipeline.name, 'decide', decision);
    const outcome = pipeline.outcomes.indexOf(decision.outcome);
    if (outcome < 0)
      return { code: 'BAD_DECISION', reason: 'decide returned an outcome that the pipeline does not declare' };
    const { event, features, prediction, degraded } = input;
    const decided = { event, features, prediction, degraded, ...decision };
    let sinks = 0;
    for (let i = 0; i < pipeline.sinks.length; i++) {
      const { when, sink } = pipeline.sinks[i]!;
      const selected = !when || when(decided);
      refusePromise(pipeline.name, `sinks.${sink}.when`, selected);
      if (selected) sinks |= 1 << i;
    }
    return { outcome, why: String(decision.why), sinks: sinks >>> 0 };
  } catch (error) {
    if (error instanceof HeadraceError) throw error;
    return { code: 'BAD_DECISION', reason: `the decision policy failed (${nameOf(error)})` };
  }
}

/** A batch has at most 16,384 rows, so its distinct reasons always fit into 16 bits. */
function whyIndex(whys: Map<string, number>, why: string): number {
  const text = why.slice(0, 200);
  const known = whys.get(text);
  if (known !== undefined) return known;
  whys.set(text, whys.size);
  return whys.size - 1;
}

function spanOf(times: readonly number[]): { min: number; max: number } | undefined {
  if (times.length === 0) return undefined;
  let min = Infinity;
  let max = -Infinity;
  for (const time of times) {
    if (time < min) min = time;
    if (time > max) max = time;
  }
  return { min, max };
}
