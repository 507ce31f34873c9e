import { setMaxListeners } from 'node:events';
import { activityInfo, log, type Info } from '../temporal/activity.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import type { Rejection } from '../contracts/rejection.ts';
import type { DecisionRow, Delivery, RecordPlace } from '../contracts/delivery.ts';
import { attempt } from './attempt.ts';
import { recordsOf, type Batches } from '../scoring/batches.ts';
import { type LoadedBatch } from '../scoring/loaded-batch.ts';
import {
  examineRefusal,
  isRefusal,
  newSearch,
  noteAccepted,
  type Search,
  type SinkEvidence,
} from '../sinks/policy/examine-refusal.ts';
import { withLinkedSignal } from '../lib/linked-signal.ts';
import type { ActivityReports, DeadLetterPort } from '../scoring/ports.ts';
import type { AdmittedTry, GuardedSink } from '../sinks/policy/sink-guard.ts';
import type { BatchActivities } from './types.ts';
import { delivering } from '../contracts/timeouts.ts';

export interface DeliverDependencies {
  batches: Batches;
  sinks: ReadonlyMap<string, GuardedSink>;
  deadLetters: DeadLetterPort;
  reports: ActivityReports;
  /** Aborted when the worker stops: deliveries under way are given up, and made by the next worker. */
  stopping: AbortSignal;
}

/** Batches with rows that a sink refuses, of which a worker remembers how far it has looked. Without it a try begins again. */
const searchesMax = 256;
/** Records that one line of the log names. */
const recordsToldMax = 10;

/**
 * Delivers the selected rows to one sink. A row that the sink refuses for its content is found by halving, gets a dead letter,
 * and its neighbours go on; a sink that refuses more than that is wrong itself, and nothing is drained (sinks/policy/examine-refusal.ts).
 */
export function createDeliver(dependencies: DeliverDependencies): BatchActivities['deliver'] {
  const deliveries = new Deliveries(dependencies);
  return (batch, sinkName, decisionsId) => attempt(() => deliveries.deliver(batch, sinkName, decisionsId));
}

/** The deliveries of one worker, and what it has learned of its sinks. */
class Deliveries {
  readonly #dependencies: DeliverDependencies;
  /** Deliveries under way in this worker, by run and sink. */
  readonly #underWay = new Map<string, Promise<number>>();
  /** By pipeline and sink. */
  readonly #evidence = new Map<string, SinkEvidence>();
  /** By run and sink. */
  readonly #searches = new Map<string, Search>();

  constructor(dependencies: DeliverDependencies) {
    this.#dependencies = dependencies;
  }

  /** Returns how many rows the sink took. Joins a delivery of the same that is under way. */
  deliver(batch: BatchRef, sinkName: string, decisionsId: string): Promise<number> {
    // The quick local try may have run out of time while its work goes on: the durable attempt then joins it here.
    const key = `${activityInfo().workflowExecution!.runId} ${sinkName}`;
    const delivery =
      this.#underWay.get(key) ??
      this.#deliverMeasured(batch, sinkName, decisionsId).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, delivery);
    return delivery;
  }

  async #deliverMeasured(batch: BatchRef, sinkName: string, decisionsId: string): Promise<number> {
    const { reports } = this.#dependencies;
    const startedMs = performance.now();
    try {
      const rows = await this.#deliverSelected(batch, sinkName, decisionsId);
      reports.stage(batch.pipeline, sinkName, (performance.now() - startedMs) / 1_000);
      reports.delivery(batch.pipeline, sinkName, 'ok');
      return rows;
    } catch (error) {
      reports.delivery(batch.pipeline, sinkName, 'failed');
      throw error;
    }
  }

  async #deliverSelected(batch: BatchRef, sinkName: string, decisionsId: string): Promise<number> {
    const { batches, sinks, reports, stopping } = this.#dependencies;
    const sink = sinks.get(sinkName);
    if (!sink)
      throw new HeadraceError(
        'SINK_UNAVAILABLE',
        `this worker has no sink "${sinkName}"; it knows ${[...sinks.keys()].join(', ')}`,
      );
    // Before the batch is read from its history, for which there is no need while the sink is away.
    const admitted = sink.admit({ pipeline: batch.pipeline, ...waitOf(activityInfo()) });
    const loaded = await batches.loadDecided(batch, decisionsId);
    const rows = selectedRows(loaded.rows, loaded.decisions, sinkName);
    const { workflowId, runId } = activityInfo().workflowExecution!;
    const delivery = { batch, pipeline: loaded.pipeline, workflowId, duplicates: duplicatesOf(loaded), rows };
    // Not the activity's own signal: its work may outlive the quick try, and be joined by the durable one.
    const refused = await withLinkedSignal(
      stopping,
      (signal) => {
        // A sink may hang many requests on it; Node would warn of a leak from the eleventh on.
        setMaxListeners(0, signal);
        return this.#deliverRows(admitted, sinkName, delivery, `${runId} ${sinkName}`, signal);
      },
      { timeoutMs: delivering.deliverMs },
    );
    if (refused.size > 0) await bury(this.#dependencies, batch, loaded, sinkName, refused);
    this.#searches.delete(`${runId} ${sinkName}`);
    if (batches.delivered(loaded, sinkName)) reports.deliveredEverywhere(batch.pipeline, loaded.recordTimesMs);
    return rows.length - refused.size;
  }

  /** Returns why, by event key, for the rows that the sink refuses. */
  async #deliverRows(
    admitted: AdmittedTry,
    sink: string,
    delivery: Delivery,
    searchKey: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, string>> {
    const seen = this.#evidence.get(`${delivery.pipeline.name} ${sink}`) ?? { accepted: 0, blamedInARow: 0 };
    this.#evidence.set(`${delivery.pipeline.name} ${sink}`, seen);
    let search = this.#searches.get(searchKey);
    if (!search) {
      try {
        await admitted.deliver(delivery, signal);
        noteAccepted(seen, delivery);
        return new Map();
      } catch (error) {
        if (!isRefusal(error)) throw error;
        search = newSearch(error.detail);
      }
    }
    this.#keepSearch(searchKey, search);
    return examineRefusal({ sink, admitted, delivery, evidence: seen, search, signal });
  }

  #keepSearch(key: string, search: Search): void {
    this.#searches.delete(key);
    this.#searches.set(key, search);
    if (this.#searches.size > searchesMax) this.#searches.delete(this.#searches.keys().next().value!);
  }
}

/** Publishes a dead letter for each row that the sink refuses. */
async function bury(
  { deadLetters, reports }: Pick<DeliverDependencies, 'deadLetters' | 'reports'>,
  batch: BatchRef,
  loaded: LoadedBatch,
  sink: string,
  refused: ReadonlyMap<string, string>,
): Promise<void> {
  const records = recordsOf(loaded);
  const rejections = loaded.rows!.flatMap(({ eventKey }, row): Rejection[] => {
    const why = refused.get(eventKey);
    if (why === undefined) return [];
    return [
      {
        index: loaded.features.recordIndex[row]!,
        step: 'deliver',
        code: 'SINK_REFUSED_ROW',
        reason: `sink "${sink}" refuses this decision, and takes others: ${why}`,
      },
    ];
  });
  const { workflowId } = activityInfo().workflowExecution!;
  const reasons = [...new Set(refused.values())].slice(0, recordsToldMax);
  log.error(`sink "${sink}" refuses ${rejections.length} decisions of a batch, which get dead letters`, {
    pipeline: batch.pipeline,
    records: [...refused.keys()].slice(0, recordsToldMax),
    reasons,
  });
  await deadLetters.publish(
    rejections.map((rejection) => ({ batch, record: records[rejection.index]!, rejection, workflowId })),
  );
  reports.rejected(
    batch,
    rejections.map((rejection) => ({ ...rejection, ...placeOf(records[rejection.index]!) })),
  );
}

/** Records that an earlier batch has decided. */
function duplicatesOf(loaded: LoadedBatch): RecordPlace[] {
  const { duplicates } = loaded.features.header;
  if (duplicates.length === 0) return [];
  const records = recordsOf(loaded);
  return duplicates.map((index) => placeOf(records[index]!));
}

function placeOf({ partition, offset }: RecordPlace): RecordPlace {
  return { partition, offset };
}

function selectedRows(
  rows: readonly DecisionRow[],
  { header, sinks }: NonNullable<LoadedBatch['decisions']>,
  sinkName: string,
): DecisionRow[] {
  const bit = header.sinks.indexOf(sinkName);
  // The range ledger is no sink that a row selects.
  if (bit < 0) return [];
  const selected: DecisionRow[] = [];
  for (let row = 0; row < rows.length; row++) if (((sinks[row]! >>> bit) & 1) === 1) selected.push(rows[row]!);
  return selected;
}

/** What the guard has to know of this try. */
function waitOf({
  isLocal,
  scheduledTimestampMs,
  currentAttemptScheduledTimestampMs,
}: Pick<Info, 'isLocal' | 'scheduledTimestampMs' | 'currentAttemptScheduledTimestampMs'>): {
  local: boolean;
  waitedMs: number;
} {
  // Both by the server's clock.
  return { local: isLocal, waitedMs: isLocal ? 0 : currentAttemptScheduledTimestampMs - scheduledTimestampMs };
}
