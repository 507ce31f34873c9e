import type { Decisions } from '../contracts/decisions-frame.ts';
import { eventKey, type BatchRef } from '../contracts/event-key.ts';
import type { Features } from '../contracts/features-frame.ts';
import type { Prediction } from '../contracts/pipeline.ts';
import type { DecisionRow } from '../sinks/port.ts';
import type { LoadedBatch } from './batches.ts';

/** Features by name, one record per row. */
export function featureRecords({ header, values, recordIndex }: Features): Record<string, number>[] {
  const width = header.names.length;
  return Array.from(recordIndex, (_, row) => {
    const record: Record<string, number> = {};
    for (let column = 0; column < width; column++) record[header.names[column]!] = values[row * width + column]!;
    return record;
  });
}

/** Reads row `row` of a prediction matrix. */
export function predictionOf(outputs: readonly { name: string; width: number }[], predictions: Float32Array, row: number): Prediction {
  const widthOfAll = outputs.reduce((sum, { width }) => sum + width, 0);
  let at = row * widthOfAll;
  const prediction: Prediction = {};
  for (const { name, width } of outputs) {
    prediction[name] = width === 1 ? predictions[at]! : Array.from(predictions.subarray(at, at + width));
    at += width;
  }
  return prediction;
}

/** The rows of a batch as sinks see them: what was recorded, joined. */
export function decisionRows(batch: BatchRef, { pipeline, events, features, featureRecords: records }: LoadedBatch, decisions: Decisions): DecisionRow[] {
  const names = Object.keys(pipeline.entities);
  const late = new Set(features.header.late);
  const { outputs, outcomes, whys, model } = decisions.header;
  return events.map((decoded, row) => ({
    eventKey: eventKey(batch, decoded.offset),
    eventId: decoded.eventId,
    offset: decoded.offset,
    recordTimeMs: decoded.recordTimeMs,
    eventTimeMs: decoded.eventTimeMs,
    entities: Object.fromEntries(names.map((name, i) => [name, decoded.entityKeys[i]!])),
    event: decoded.event,
    features: records[row]!,
    prediction: predictionOf(outputs, decisions.predictions, row),
    model,
    degraded: decisions.degraded[row] === 1,
    late: late.has(row),
    outcome: outcomes[decisions.outcome[row]!]!,
    why: whys[decisions.why[row]!]!,
  }));
}
