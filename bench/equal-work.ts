import type { KafkaMessage } from 'kafkajs';
import type { BatchRef } from '../contracts/event-key.ts';
import type { DecisionRow } from '../contracts/delivery.ts';
import { decodeFeatures } from '../contracts/features-frame.ts';
import type { BatchRecord, KafkaRecord } from '../contracts/records-frame.ts';
import { compileFeatures, foldBatch } from '../features/index.ts';
import { Semaphore } from '../lib/semaphore.ts';
import { decodeEvents } from '../pipelines/decode-event.ts';
import { decideRows } from '../scoring/decide-rows.ts';
import { decisionRows } from '../scoring/decision-rows.ts';
import type { LoadedBatch } from '../scoring/loaded-batch.ts';
import { predictRows } from '../scoring/predict-rows.ts';
import type { BenchContext } from './context.ts';
import { deliveringMax, openEqualWorkPlaces, type EqualWorkPlaces } from './equal-work-places.ts';
import { UsageProbe } from './process-usage.ts';
import type { BenchSystem } from './system.ts';

const rowsMax = 2_048;
const deliveryTimeoutMs = 50_000;
const timeoutMs = 300_000;

export interface EqualWorkResult {
  eventsPerSecond: number;
  /** CPU time of the loop's own process. */
  cpuMicrosPerEvent: number;
  /** That, and the CPU time of Kafka, Postgres and the model server. */
  cpuOfAllMicrosPerEvent: number;
}

/**
 * What one would write by hand for the same decisions: kafkajs, and the product's own functions for all that is done with an event (decode,
 * validate, features in LMDB, model, policy, and every sink of the pipeline), with offsets committed after the sinks. It has no Temporal, no
 * chain of batches and no range ledger. Throws unless each place holds every event in the end.
 * @param name of its pipeline, database and consumer group: each run has its own
 */
export async function measureEqualWork(
  context: BenchContext,
  system: BenchSystem,
  name: string,
): Promise<EqualWorkResult> {
  const { events, tell } = context;
  const { kafka, postgres, 'model-server': model } = system.servers;
  const places = await openEqualWorkPlaces(context, system, name);
  try {
    const loop = new EqualWorkLoop(places, events, { kafka: kafka.pid, postgres: postgres.pid, model: model.pid });
    await loop.run();
    await places.assertHold(events);
    const { seconds, cpuMicros, cpuMicrosOfServers } = loop.used();
    tell(`equal-work loop: ${Math.round(events / seconds)} events/s`);
    return {
      eventsPerSecond: events / seconds,
      cpuMicrosPerEvent: cpuMicros / events,
      cpuOfAllMicrosPerEvent: (cpuMicros + cpuMicrosOfServers) / events,
    };
  } finally {
    await places.close();
  }
}

/** One pass over the topic. */
class EqualWorkLoop {
  readonly #plan;
  readonly #delivering: Semaphore;
  /** By partition: ends when what was delivered so far is committed. */
  readonly #committed = new Map<number, Promise<void>>();
  readonly #finished: Promise<void>;
  #finish!: () => void;
  #fail!: (error: Error) => void;
  #done = 0;
  /** From the first records on; the group is formed by then. */
  #started: { ms: number; cpu: NodeJS.CpuUsage; servers: UsageProbe } | undefined;
  #used: { seconds: number; cpuMicros: number; cpuMicrosOfServers: number } | undefined;

  constructor(
    private readonly places: EqualWorkPlaces,
    private readonly events: number,
    private readonly serverPids: Readonly<Record<string, number>>,
  ) {
    this.#plan = compileFeatures(places.pipeline);
    this.#finished = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    this.#delivering = new Semaphore(deliveringMax);
  }

  /** Ends when the offsets of all events are committed. */
  async run(): Promise<void> {
    const { consumer, pipeline } = this.places;
    const timer = setTimeout(() => {
      this.#fail(new Error(`the equal-work loop did ${this.#done} of ${this.events} events in ${timeoutMs / 1_000} s`));
    }, timeoutMs);
    try {
      consumer.on(consumer.events.CRASH, ({ payload }) => this.#fail(payload.error));
      await consumer.subscribe({ topic: pipeline.topic.name, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        partitionsConsumedConcurrently: pipeline.topic.partitions,
        eachBatch: async ({ batch: { partition, messages } }) => {
          this.#started ??= {
            ms: performance.now(),
            cpu: process.cpuUsage(),
            servers: new UsageProbe(this.serverPids),
          };
          for (let from = 0; from < messages.length; from += rowsMax)
            await this.#take(partition, messages.slice(from, from + rowsMax));
        },
      });
      await this.#finished;
    } finally {
      clearTimeout(timer);
      this.#started?.servers.stop();
    }
  }

  /** What the run took, once it has ended. */
  used() {
    return this.#used!;
  }

  /** Scores a batch, and begins to deliver it. */
  async #take(partition: number, messages: KafkaMessage[]): Promise<void> {
    const batch = this.#batchOf(partition, messages);
    const delivery = await this.#score(
      batch,
      messages.map((message) => ({ ...recordOf(message), partition })),
    );
    if (!this.#delivering.tryAcquire()) await this.#delivering.acquire();
    const delivered = this.#deliver(batch, delivery).finally(() => this.#delivering.release());
    const before = this.#committed.get(partition) ?? Promise.resolve();
    const committed = Promise.all([delivered, before]).then(() => this.#commit(batch));
    // Ends the run; the next batch of the partition waits for this one, too, and fails with it.
    committed.catch(this.#fail);
    this.#committed.set(partition, committed);
  }

  #batchOf(partition: number, messages: readonly KafkaMessage[]): BatchRef {
    const { pipeline } = this.places;
    const position = Number(messages[0]!.offset);
    return {
      deployment: pipeline.name,
      pipeline: pipeline.name,
      epoch: 0,
      topic: pipeline.topic.name,
      layout: 0,
      chain: partition,
      sequence: position,
      ranges: [
        {
          partition,
          position,
          end: Number(messages.at(-1)!.offset) + 1,
          count: messages.length,
          ...(position === 0 && { first: true }),
        },
      ],
      startId: `${partition}-${position}`,
    };
  }

  async #score(batch: BatchRef, records: BatchRecord[]): Promise<Scored> {
    const { pipeline, store, model } = this.places;
    const { events, rejections } = decodeEvents(pipeline, records, { clockMs: Date.now() });
    const offsets = records.map(({ offset }) => offset);
    const features = decodeFeatures(
      await store.apply(batch, foldBatch(this.#plan, batch, offsets, events, rejections)),
    );
    const loaded: LoadedBatch = {
      pipeline,
      recordsFrame: new Uint8Array(),
      recordTimesMs: new Float64Array(),
      events,
      features,
      functionsAccepted: new Map(),
      bytes: 0,
    };
    const decisions = decideRows(
      batch,
      loaded,
      await predictRows(model, pipeline, features.values, features.recordIndex.length),
    );
    return { rows: decisionRows(batch, loaded, decisions), selected: decisions.sinks };
  }

  async #deliver(batch: BatchRef, { rows, selected }: Scored): Promise<void> {
    const { pipeline, sinks } = this.places;
    const signal = AbortSignal.timeout(deliveryTimeoutMs);
    await Promise.all(
      sinks.map((sink, i) =>
        sink.deliver(
          {
            batch,
            pipeline,
            workflowId: `${pipeline.name}:${batch.startId}`,
            rows: rows.filter((_, row) => (selected[row]! >>> i) & 1),
          },
          signal,
        ),
      ),
    );
  }

  async #commit({ topic, ranges: [range] }: BatchRef): Promise<void> {
    const { partition, end, count } = range!;
    await this.places.consumer.commitOffsets([{ topic, partition, offset: String(end) }]);
    this.#done += count;
    if (this.#done < this.events) return;
    const { ms, cpu, servers } = this.#started!;
    const { user, system } = process.cpuUsage(cpu);
    this.#used = {
      seconds: (performance.now() - ms) / 1_000,
      cpuMicros: user + system,
      cpuMicrosOfServers: [...servers.stop().cpuMicros.values()].reduce((sum, micros) => sum + micros, 0),
    };
    this.#finish();
  }
}

interface Scored {
  rows: DecisionRow[];
  /** Bits of the sinks that each row goes to, in the pipeline's order. */
  selected: Uint32Array;
}

function recordOf({ offset, timestamp, key, value }: KafkaMessage): KafkaRecord {
  return { offset: Number(offset), timestampMs: Number(timestamp), key, value };
}
