import type { LoadedBatch } from './loaded-batch.ts';
import { activityInfo } from '../temporal/activity.ts';
import { decodeDecisions, type Decisions } from '../contracts/decisions-frame.ts';
import type { BatchRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { decodeFeatures, type Features } from '../contracts/features-frame.ts';
import { deadLettersTarget } from '../contracts/names.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { recordTimeMs } from '../contracts/record-time.ts';
import { decodeRecords, type BatchRecord } from '../contracts/records-frame.ts';
import type { DecisionRow } from '../contracts/delivery.ts';
import { decodeEvents, type DecodedEvent } from '../pipelines/decode-event.ts';
import { decisionRows } from './decision-rows.ts';
import type { RunHistoryPort } from '../temporal/run-history.ts';

/** How much larger a batch is in memory than its records frame, about: events, features, decisions. */
const memoryFactor = 8;

/**
 * The batches whose deliveries are under way, so that later steps need not carry the frame along. Bounded; the least recently
 * used go first, and a miss reads the run's own history.
 */
export class Batches {
  readonly #byRun = new Map<string, LoadedBatch>();
  readonly #reading = new Map<string, Promise<LoadedBatch>>();
  #bytes = 0;

  constructor(
    private readonly pipelines: ReadonlyMap<string, AnyPipeline>,
    private readonly history: RunHistoryPort,
    private readonly bytesMax: number,
  ) {}

  /** The pipeline of a batch. Throws `PIPELINE_UNKNOWN`. */
  pipeline(batch: BatchRef): AnyPipeline {
    const pipeline = this.pipelines.get(batch.pipeline);
    if (!pipeline)
      throw new HeadraceError(
        'PIPELINE_UNKNOWN',
        `this worker has no pipeline "${batch.pipeline}"; start it with the same pipelines as the bridge`,
      );
    return pipeline;
  }

  /** Keeps what `extractFeatures` recorded for the current run. A try that repeats an earlier one goes on with what that has begun. */
  keepFeatures(
    batch: BatchRef,
    recordsFrame: Uint8Array,
    records: BatchRecord[],
    events: readonly DecodedEvent[],
    features: Features,
  ): LoadedBatch {
    const known = this.#byRun.get(currentRun());
    if (known?.features.header.commitSequence === features.header.commitSequence) return known;
    const loaded: LoadedBatch = {
      pipeline: this.pipeline(batch),
      recordsFrame,
      recordTimesMs: Float64Array.from(records, recordTimeOrNaN),
      events: eventsOfRows(features, events, records),
      features,
      functionsAccepted: new Map(),
      bytes: recordsFrame.byteLength * memoryFactor,
    };
    this.#put(currentRun(), loaded);
    return loaded;
  }

  /** Keeps what was decided. */
  keepDecisions(loaded: LoadedBatch, decisions: Decisions): void {
    const { sinkCounts, rejectedCount } = decisions.header;
    loaded.decisions = decisions;
    loaded.rows = undefined;
    loaded.undelivered = new Set([...Object.keys(sinkCounts), ...(rejectedCount > 0 ? [deadLettersTarget] : [])]);
  }

  /** The current run's batch with its features; from memory, else from history. */
  async load(batch: BatchRef): Promise<LoadedBatch> {
    const run = currentRun();
    const known = this.#byRun.get(run);
    if (known) {
      this.#byRun.delete(run);
      this.#byRun.set(run, known);
      return known;
    }
    // One reading serves all steps that wait for it: after a restart every sink of a run asks at the same time.
    const reading = this.#reading.get(run) ?? this.#readHistory(batch).finally(() => this.#reading.delete(run));
    this.#reading.set(run, reading);
    return reading;
  }

  async #readHistory(batch: BatchRef): Promise<LoadedBatch> {
    const { workflowId, runId } = activityInfo().workflowExecution!;
    const recorded = await this.history.read(workflowId, runId);
    if (!recorded.features)
      throw new HeadraceError('BATCH_UNKNOWN', `the features of ${workflowId} are not in history yet`);
    const { records, clockMs } = decodeRecords(recorded.records);
    const { events } = decodeEvents(this.pipeline(batch), records, { clockMs });
    const loaded = this.keepFeatures(batch, recorded.records, records, events, decodeFeatures(recorded.features));
    if (recorded.decisions) this.keepDecisions(loaded, decodeDecisions(recorded.decisions));
    return loaded;
  }

  /**
   * The current run's batch with the decisions that its history holds. What this worker computed itself may not be what was
   * recorded: a quick try that ran out of time may have answered after the durable one.
   */
  async loadDecided(
    batch: BatchRef,
    decisionsId: string,
  ): Promise<LoadedBatch & { decisions: Decisions; rows: DecisionRow[] }> {
    let loaded = await this.load(batch);
    if (!loaded.decisions || loaded.decisions.header.id !== decisionsId) {
      this.#forget(currentRun());
      loaded = await this.load(batch);
    }
    if (!loaded.decisions || loaded.decisions.header.id !== decisionsId)
      throw new HeadraceError(
        'BATCH_UNKNOWN',
        `the decisions of ${activityInfo().workflowExecution!.workflowId} are not in history yet`,
      );
    loaded.rows ??= decisionRows(batch, loaded, loaded.decisions);
    return loaded as LoadedBatch & { decisions: Decisions; rows: DecisionRow[] };
  }

  /** Notes that a delivery ended. Returns true, and forgets the batch, when it was the last one. */
  delivered(loaded: LoadedBatch, target: string): boolean {
    const last = loaded.undelivered?.delete(target) === true && loaded.undelivered.size === 0;
    if (last) this.#forget(currentRun());
    return last;
  }

  #put(run: string, loaded: LoadedBatch): void {
    this.#forget(run);
    this.#byRun.set(run, loaded);
    this.#bytes += loaded.bytes;
    for (const oldest of this.#byRun.keys()) {
      if (this.#bytes <= this.bytesMax || oldest === run) break;
      this.#forget(oldest);
    }
  }

  #forget(run: string): void {
    this.#bytes -= this.#byRun.get(run)?.bytes ?? 0;
    this.#byRun.delete(run);
  }
}

/** The records of a batch. Read again when one is wanted, which is seldom: kept, they would be objects that the garbage collector moves. */
export function recordsOf({ recordsFrame }: LoadedBatch): BatchRecord[] {
  return decodeRecords(recordsFrame).records;
}

/** The events that have a row, in row order; both follow the records. */
function eventsOfRows(
  { recordIndex }: Features,
  events: readonly DecodedEvent[],
  records: readonly BatchRecord[],
): DecodedEvent[] {
  const rows: DecodedEvent[] = [];
  let at = 0;
  for (const index of recordIndex) {
    while (at < events.length && events[at]!.recordIndex < index) at++;
    const event = events[at];
    if (event?.recordIndex !== index)
      throw new HeadraceError(
        'PIPELINE_UNKNOWN',
        `record ${records[index]?.offset} of partition ${records[index]?.partition} was an event when its features were recorded, and today's schema refuses it; restore the schema`,
      );
    rows.push(event);
  }
  return rows;
}

// Lives as long as the module: see docs/performance/hot-code.md.
const recordTimeOrNaN = (record: BatchRecord) => recordTimeMs(record) ?? Number.NaN;

function currentRun(): string {
  return activityInfo().workflowExecution!.runId;
}
