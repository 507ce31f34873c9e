import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { Batches } from '../../scoring/batches.ts';
import { createDeadLetter } from '../../activities/dead-letter.ts';
import { createDecide } from '../../scoring/decide.ts';
import { createDeliver } from '../../activities/deliver.ts';
import { createDeliverAll } from '../../activities/deliver-all.ts';
import { createExtractFeatures } from '../../activities/extract-features.ts';
import { createInfer } from '../../activities/infer.ts';
import type { ActivityReports, DeadLetter, ModelPort } from '../../scoring/ports.ts';
import type { RecordedRun } from '../../temporal/run-history.ts';
import { guardSink } from '../../sinks/policy/sink-guard.ts';
import type { BatchActivities, QuickTry } from '../../activities/types.ts';
import { createApplyBatch } from '../../scoring/apply-batch.ts';
import { createScore } from '../../activities/score.ts';
import { decodeDecisions, type Decisions } from '../../contracts/decisions-frame.ts';
import { batchWorkflowId, type BatchRef } from '../../contracts/event-key.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { encodeRecords } from '../../contracts/records-frame.ts';
import { MemoryStore, type FeatureStore } from '../../features/index.ts';
import type { Sink } from '../../sinks/port.ts';
import type { Payment } from '../live/payments.ts';

/** A sink that tests can watch and break. */
export type FakeDeliver = (...of: [...Parameters<Sink['deliver']>, sink?: string]) => Promise<void>;

export interface RigOptions {
  pipeline: AnyPipeline;
  /** One record of partition 0 per amount; the account is always the same. */
  amounts: readonly number[];
  /** The amounts of partition 1. Absent = the batch has no range of it. */
  amounts1?: readonly number[];
  model: ModelPort;
  deliver: FakeDeliver;
  deliveriesMax?: number;
  /** @default an empty one for each worker */
  store?: FeatureStore;
  /** How long features wait for decisions. */
  decideMs?: number;
  /** How long the quick try of all deliveries may take. */
  quickMs?: number;
}

/** A run of one batch, and workers that do its steps: real activities over fakes at our own ports. */
export class Rig {
  readonly batch: BatchRef;
  /** What the server has of the run; `extractFeatures` and `infer` are recorded here by `score`. */
  readonly recorded: RecordedRun;
  readonly deadLetters: DeadLetter[] = [];
  /** What the fallback decided: how many events, and why. */
  readonly degraded: unknown[] = [];
  /** Deliveries as they were counted. */
  readonly deliveries: ('ok' | 'failed')[] = [];
  historyReads = 0;
  readonly #options: RigOptions;

  constructor(options: RigOptions) {
    this.#options = options;
    const { pipeline } = options;
    const partitions = [options.amounts, ...(options.amounts1 ? [options.amounts1] : [])];
    this.batch = {
      deployment: 'local',
      pipeline: pipeline.name,
      epoch: 0,
      topic: pipeline.topic.name,
      layout: 0,
      chain: 0,
      sequence: 0,
      startId: 'start',
      ranges: partitions.map(({ length }, partition) => ({
        partition,
        position: 0,
        end: length,
        count: length,
        first: true,
      })),
    };
    const records = partitions.flatMap((amounts) =>
      amounts.map((amount, offset) => {
        const payment: Payment = { id: `p${offset}`, account: 'a', amount, at: 1_700_000_000_000 + offset };
        return { offset, timestampMs: payment.at, key: null, value: Buffer.from(JSON.stringify(payment)) };
      }),
    );
    this.recorded = { records: encodeRecords(this.batch, records, 1_700_000_000_000) };
  }

  /** A worker that has just started: it remembers nothing, and has guards of its own. */
  worker(stopping: AbortSignal = new AbortController().signal): RigWorker {
    const { pipeline, model, deliver, deliveriesMax = 4, decideMs = 2_500, quickMs, store } = this.#options;
    const reports: ActivityReports = {
      stage: () => {},
      decided: () => {},
      late: () => {},
      degraded: (_pipeline, count, code, reason) => void this.degraded.push([count, code, reason]),
      rejected: () => {},
      halted: () => {},
      deliveredEverywhere: () => {},
      breaker: () => {},
      delivery: (_pipeline, _sink, result) => void this.deliveries.push(result),
    };
    const read = () => {
      this.historyReads++;
      return Promise.resolve({ ...this.recorded });
    };
    const batches = new Batches(new Map([[pipeline.name, pipeline]]), { read }, 1_000_000);
    const deadLetters = {
      publish: (letters: readonly DeadLetter[]) => Promise.resolve(void this.deadLetters.push(...letters)),
    };
    const sinks = new Map(
      pipeline.sinks.map(({ sink: name }) => [
        name,
        guardSink(
          { name, deliver: (delivery, signal) => deliver(delivery, signal, name), close: () => Promise.resolve() },
          { deliveriesMax },
        ),
      ]),
    );
    const nothing = () => {
      throw new Error('nothing to catch up with');
    };
    const noRecords = { read: nothing, bounds: nothing };
    const applyBatch = createApplyBatch({ batches, store: store ?? new MemoryStore(), records: noRecords, reports });
    const decide = createDecide({ batches, model, reports });
    const deliverOne = createDeliver({ batches, sinks, deadLetters, reports, stopping });
    const deadLetter = createDeadLetter({ batches, deadLetters, reports });
    return new RigWorker(this, {
      score: createScore({ applyBatch, decide, decideMsMax: () => decideMs }),
      extractFeatures: createExtractFeatures(applyBatch),
      infer: createInfer({ batches, decide }),
      deliver: deliverOne,
      deadLetter,
      deliverAll: createDeliverAll({ deliver: deliverOne, deadLetter }, { quickMs }),
    });
  }

  /** Does the first two steps in a new worker, and records what they answered. */
  async score(worker = this.worker()): Promise<{ worker: RigWorker; decisions: Decisions }> {
    this.recorded.features = await worker.extractFeatures();
    this.recorded.decisions = await worker.infer();
    return { worker, decisions: decodeDecisions(this.recorded.decisions) };
  }
}

/** The steps of the rig's run in one worker. */
class RigWorker {
  constructor(
    private readonly rig: Rig,
    private readonly activities: BatchActivities,
  ) {}

  score(): Promise<Uint8Array> {
    return this.#inContext(true, () => this.activities.score(this.rig.batch, this.rig.recorded.records));
  }

  extractFeatures(): Promise<Uint8Array> {
    return this.#inContext(false, () => this.activities.extractFeatures(this.rig.batch, this.rig.recorded.records));
  }

  infer(): Promise<Uint8Array> {
    return this.#inContext(false, () => this.activities.infer(this.rig.batch));
  }

  /**
   * @param local whether it is the one quick try
   * @param waitedMs how long ago its first durable try was
   */
  deliver(sink: string, decisionsId: string, local = false, waitedMs = 0): Promise<number> {
    return this.#inContext(local, () => this.activities.deliver(this.rig.batch, sink, decisionsId), waitedMs);
  }

  deliverAll(targets: readonly string[], decisionsId: string): Promise<QuickTry> {
    return this.#inContext(true, () => this.activities.deliverAll(this.rig.batch, targets, decisionsId));
  }

  deadLetter(decisionsId: string): Promise<number> {
    return this.#inContext(false, () => this.activities.deadLetter(this.rig.batch, decisionsId));
  }

  #inContext<T>(isLocal: boolean, work: () => Promise<T>, waitedMs = 0): Promise<T> {
    const workflowExecution = { workflowId: batchWorkflowId(this.rig.batch, this.rig.batch.sequence), runId: 'run' };
    const context = {
      info: {
        isLocal,
        workflowExecution,
        scheduledTimestampMs: 1_000,
        currentAttemptScheduledTimestampMs: 1_000 + waitedMs,
      },
      heartbeat: () => {},
      log: { error: () => {}, warn: () => {} },
    } as unknown as Context;
    return asyncLocalStorage.run(context, work);
  }
}
export type { RigWorker };
