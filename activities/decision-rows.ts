import type { Decisions } from '../contracts/decisions-frame.ts';
import { eventKey, type BatchRef } from '../contracts/event-key.ts';
import type { Features } from '../contracts/features-frame.ts';
import type { Prediction } from '../contracts/pipeline.ts';
import type { DecisionRow } from '../sinks/port.ts';
import type { LoadedBatch } from './batches.ts';

/** Features by name, one record per row. */
export function featureRecords({ header, values, recordIndex }: Features): Record<string, number>[] {
  const width = header.names.length;
  const records: Record<string, number>[] = [];
  for (let row = 0; row < recordIndex.length; row++) {
    const record: Record<string, number> = {};
    for (let column = 0; column < width; column++) record[header.names[column]!] = values[row * width + column]!;
    records.push(record);
  }
  return records;
}

/** A row of a prediction matrix. */
export function predictionOf(outputs: readonly { name: string; width: number }[], predictions: Float32Array, row: number): Prediction {
  let widthOfAll = 0;
  for (const { width } of outputs) widthOfAll += width;
  let at = row * widthOfAll;
  const prediction: Prediction = {};
  for (const { name, width } of outputs) {
    prediction[name] = width === 1 ? predictions[at]! : Array.from(predictions.subarray(at, at + width));
    at += width;
  }
  return prediction;
}

function entitiesOf(names: readonly string[], keys: readonly string[]): Record<string, string> {
  const entities: Record<string, string> = {};
  for (let i = 0; i < names.length; i++) entities[names[i]!] = keys[i]!;
  return entities;
}

/** The rows of a batch as sinks see them: what was recorded, joined. */
export function decisionRows(batch: BatchRef, { pipeline, events, features, featureRecords: records }: LoadedBatch, decisions: Decisions): DecisionRow[] {
  const names = Object.keys(pipeline.entities);
  const late = new Set(features.header.late);
  const { outputs, outcomes, whys, model } = decisions.header;
  const rows: DecisionRow[] = [];
  for (let row = 0; row < events.length; row++) {
    const { offset, eventId, recordTimeMs, eventTimeMs, entityKeys, event } = events[row]!;
    rows.push({
      eventKey: eventKey(batch, offset),
      eventId,
      offset,
      recordTimeMs,
      eventTimeMs,
      entities: entitiesOf(names, entityKeys),
      event,
      features: records[row]!,
      prediction: predictionOf(outputs, decisions.predictions, row),
      model,
      degraded: decisions.degraded[row] === 1,
      late: late.has(row),
      outcome: outcomes[decisions.outcome[row]!]!,
      why: whys[decisions.why[row]!]!,
    });
  }
  return rows;
}
