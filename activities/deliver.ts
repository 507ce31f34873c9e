import { setMaxListeners } from 'node:events';
import { activityInfo, type Info } from '@temporalio/activity';
import type { BatchRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import type { Rejection } from '../contracts/rejection.ts';
import type { DecisionRow, Delivery } from '../sinks/port.ts';
import { attempt } from './attempt.ts';
import { recordsOf, type Batches, type LoadedBatch } from './batches.ts';
import { withOwnSignal } from './own-signal.ts';
import type { ActivityReports, DeadLetterPort } from './ports.ts';
import type { AdmittedTry, GuardedSink } from './sink-guard.ts';
import type { BatchActivities } from './types.ts';

export interface DeliverDependencies {
  batches: Batches;
  sinks: ReadonlyMap<string, GuardedSink>;
  deadLetters: DeadLetterPort;
  reports: ActivityReports;
  /** Aborted when the worker stops: deliveries under way are given up, and made by the next worker. */
  stopping: AbortSignal;
}

/** Below the time-out of the durable attempt, so that what hangs has ended before it is tried again. */
const deliveryTimeoutMs = 50_000;

/**
 * Delivers the selected rows to one sink. A row that the sink refuses for its content is found by halving, gets a dead letter,
 * and its neighbours go on; when the sink refuses every row, the sink is what is wrong, and nothing is drained.
 */
export function createDeliver({ batches, sinks, deadLetters, reports, stopping }: DeliverDependencies): BatchActivities['deliver'] {
  /** Deliveries under way in this worker, by run and sink. */
  const underWay = new Map<string, Promise<number>>();

  return async function deliver(batch, sinkName, decisionsId) {
    // The quick local try may have run out of time while its work goes on: the durable attempt then joins it here.
    const key = `${activityInfo().workflowExecution!.runId} ${sinkName}`;
    const delivery = underWay.get(key) ?? deliverBatch(batch, sinkName, decisionsId).finally(() => underWay.delete(key));
    underWay.set(key, delivery);
    return attempt(() => delivery);
  };

  async function deliverBatch(batch: BatchRef, sinkName: string, decisionsId: string | undefined): Promise<number> {
    const startedMs = performance.now();
    try {
      const rows = await deliverSelected(batch, sinkName, decisionsId);
      reports.stage(batch.pipeline, sinkName, (performance.now() - startedMs) / 1_000);
      reports.delivery(batch.pipeline, sinkName, 'ok');
      return rows;
    } catch (error) {
      reports.delivery(batch.pipeline, sinkName, 'failed');
      throw error;
    }
  }

  async function deliverSelected(batch: BatchRef, sinkName: string, decisionsId: string | undefined): Promise<number> {
    const sink = sinks.get(sinkName);
    if (!sink) throw new HeadraceError('SINK_UNAVAILABLE', `this worker has no sink "${sinkName}"; it knows ${[...sinks.keys()].join(', ')}`);
    // Before the batch is read from its history, for which there is no need while the sink is away.
    const admitted = sink.admit({ pipeline: batch.pipeline, ...waitOf(activityInfo()) });
    const loaded = await batches.loadDecided(batch, decisionsId);
    const rows = selectedRows(loaded.rows, loaded.decisions, sinkName);
    const delivery = { batch, pipeline: loaded.pipeline, workflowId: activityInfo().workflowExecution!.workflowId, duplicates: duplicatesOf(loaded) };
    // Not the activity's own signal: its work may outlive the quick try, and be joined by the durable one.
    const refused = await withOwnSignal(stopping, (signal) => {
      // A sink may hang many requests on it; Node would warn of a leak from the eleventh on.
      setMaxListeners(0, signal);
      return deliverRows(admitted, sinkName, { ...delivery, rows }, signal);
    }, { timeoutMs: deliveryTimeoutMs });
    if (refused.length > 0) {
      const rejections = refused.map((row): Rejection => ({ index: recordIndexOf(loaded, row), step: 'deliver', code: 'SINK_REFUSED_ROW', reason: `sink "${sinkName}" refuses this decision` }));
      const records = recordsOf(loaded);
      await deadLetters.publish(rejections.map((rejection) => ({ batch, record: records[rejection.index]!, rejection, workflowId: delivery.workflowId })));
      reports.rejected(batch, rejections.map((rejection) => ({ ...rejection, offset: records[rejection.index]!.offset })));
    }
    if (batches.delivered(loaded, sinkName)) reports.deliveredEverywhere(batch.pipeline, loaded.recordTimesMs);
    return rows.length - refused.length;
  }
}

/** Offsets of the records that an earlier batch has decided. */
function duplicatesOf(loaded: LoadedBatch): number[] {
  const { duplicates } = loaded.features.header;
  if (duplicates.length === 0) return [];
  const records = recordsOf(loaded);
  return duplicates.map((index) => records[index]!.offset);
}

function selectedRows(rows: readonly DecisionRow[], { header, sinks }: NonNullable<LoadedBatch['decisions']>, sinkName: string): DecisionRow[] {
  const bit = header.sinks.indexOf(sinkName);
  // The range ledger is no sink that a row selects.
  if (bit < 0) return [];
  const selected: DecisionRow[] = [];
  for (let row = 0; row < rows.length; row++) if (((sinks[row]! >>> bit) & 1) === 1) selected.push(rows[row]!);
  return selected;
}

/** What the guard has to know of this try. */
function waitOf({ isLocal, scheduledTimestampMs, currentAttemptScheduledTimestampMs }: Pick<Info, 'isLocal' | 'scheduledTimestampMs' | 'currentAttemptScheduledTimestampMs'>): { local: boolean; waitedMs: number } {
  // Both by the server's clock.
  return { local: isLocal, waitedMs: isLocal ? 0 : currentAttemptScheduledTimestampMs - scheduledTimestampMs };
}

/** Answers the rows that the sink refuses for good. When it refuses every one, the sink is what is wrong. */
async function deliverRows(admitted: AdmittedTry, sinkName: string, delivery: Delivery, signal: AbortSignal): Promise<DecisionRow[]> {
  const refused = await splitRefused(admitted, delivery, signal);
  if (refused.length > 1 && refused.length === delivery.rows.length) {
    const error = new HeadraceError('SINK_UNAVAILABLE', `sink "${sinkName}" refuses all of ${refused.length} rows, so the sink is what is wrong`);
    // Or each batch that waits would be halved down to its rows again and again.
    admitted.failed(error);
    throw error;
  }
  return refused;
}

async function splitRefused(admitted: AdmittedTry, delivery: Delivery, signal: AbortSignal): Promise<DecisionRow[]> {
  const { rows } = delivery;
  try {
    await admitted.deliver(delivery, signal);
    return [];
  } catch (error) {
    if (!(error instanceof HeadraceError) || error.code !== 'SINK_REFUSED_ROW') throw error;
    if (rows.length === 1) return [...rows];
    const middle = rows.length >> 1;
    const first = await splitRefused(admitted, { ...delivery, rows: rows.slice(0, middle) }, signal);
    return [...first, ...(await splitRefused(admitted, { ...delivery, rows: rows.slice(middle) }, signal))];
  }
}

function recordIndexOf({ features, events }: LoadedBatch, row: DecisionRow): number {
  return features.recordIndex[events.findIndex((event) => event.offset === row.offset)]!;
}
