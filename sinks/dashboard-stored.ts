import type { Pool } from 'pg';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { DecisionRow, Delivery } from '../contracts/delivery.ts';
import { parseEventKey, type BatchRef } from '../contracts/event-key.ts';

/** A decision that the dashboard holds, as a delivery could bring it again. */
export interface StoredDelivery {
  delivery: Delivery;
  /** The features come without their names. */
  featureSet: number;
}

type StoredRow = Omit<DecisionRow, 'features' | 'recordTimeMs' | 'eventTimeMs' | 'model'> & {
  topic: string;
  recordTime: Date | null;
  eventTime: Date;
  featureSet: number;
  features: number[];
  modelName: string;
  modelVersion: string;
  workflowId: string;
};

/** Any: what counts is that it was taken. */
const findSql = `
  select event_key as "eventKey", event_id as "eventId", topic, partition, kafka_offset::float8 as offset, record_time as "recordTime", event_time as "eventTime",
    entities, event, feature_set as "featureSet", features, prediction, model_name as "modelName", model_version as "modelVersion", degraded, late, outcome, why,
    workflow_id as "workflowId"
  from decisions where pipeline = $1 limit 1`;

/** A decision of the pipeline from the table; undefined when it has none. */
export async function storedDelivery(pool: Pool, pipeline: AnyPipeline): Promise<StoredDelivery | undefined> {
  const {
    rows: [stored],
  } = await pool.query<StoredRow>(findSql, [pipeline.name]);
  if (!stored) return undefined;
  const { topic, recordTime, eventTime, featureSet, features, modelName, modelVersion, workflowId, ...same } = stored;
  const row: DecisionRow = {
    ...same,
    recordTimeMs: recordTime?.getTime(),
    eventTimeMs: eventTime.getTime(),
    features: { names: features.map(String), values: Float32Array.from(features), from: 0 },
    model: { name: modelName, version: modelVersion },
  };
  const { partition, offset } = row;
  const { deployment, epoch } = parseEventKey(row.eventKey);
  const batch: BatchRef = {
    deployment,
    pipeline: pipeline.name,
    epoch,
    topic,
    // Nobody asks which chain it travelled in.
    layout: 0,
    chain: 0,
    sequence: 0,
    ranges: [{ partition, position: offset, end: offset + 1, count: 1 }],
  };
  return { delivery: { batch, pipeline, workflowId, rows: [row] }, featureSet };
}
