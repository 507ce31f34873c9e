import { CatchUp } from '../../scoring/catch-up.ts';
import type { RecordPlace } from '../../contracts/delivery.ts';
import type { BatchRange, BatchRef } from '../../contracts/event-key.ts';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { decodeRecords, type BatchRecord } from '../../contracts/records-frame.ts';
import type { Rejection } from '../../contracts/rejection.ts';
import { foldBatch, type FoldEvent } from '../../features/fold-batch.ts';
import { compileFeatures } from '../../features/plan.ts';
import { PredecessorMissing, type FoldContext } from '../../features/store.ts';
import { poison } from './events.ts';
import type { World } from './world.ts';

/** What `extractFeatures` recorded. */
export interface Extracted {
  rows: (RecordPlace & { feature: number })[];
  /** Records that get a dead letter. */
  rejected: RecordPlace[];
}

/** What `infer` recorded. */
export interface Decided {
  rows: (RecordPlace & { feature: number; modelVersion: number; outcome: 'approve' | 'review' })[];
}

const plan = compileFeatures({
  entities: { account: () => 'account' },
  features: { seen: { kind: 'window', entity: 'account', aggregate: 'count', lengthMs: 3_600_000, delayMs: 0 } },
  allowedLatenessMs: 3_600_000,
} as unknown as AnyPipeline);

/** The key of the state in which it is noted of a partition which offsets were folded, in the order in which they were. */
export const foldLogKey = (partition: number) => `folded:${partition}`;

/** The steps of a batch in one worker process: the real rules of features over the one store that all workers of a host share. */
export class BatchSteps {
  readonly #catchUp: CatchUp;

  constructor(private readonly world: World) {
    const { scheduler, store, logs } = world;
    const records = {
      async *read(_topic: string, partition: number, from: number, to: number) {
        const log = logs[partition]!;
        let next = Math.max(from, log.start);
        if (next >= to) yield { end: to, records: [] };
        while (next < to) {
          const read = await Promise.resolve(log.read(next));
          if (!read) throw new Error(`the log of partition ${partition} ends before ${to}`);
          if (read.endOffset <= next) throw new Error(`offset ${next} of partition ${partition} cannot be read`);
          next = Math.min(to, read.endOffset);
          yield { end: next, records: read.records.filter(({ offset }) => offset < to) };
        }
      },
    };
    this.#catchUp = new CatchUp(
      store,
      records,
      () => scheduler.nowMs,
      (message, fields) => this.#alarm(message, fields as { partition: string; from: number | string; to: number }),
    );
  }

  /** As the activity does: only a durable attempt brings a store up that is behind. */
  async extract(batch: BatchRef, frame: Uint8Array, isLocal: boolean): Promise<Extracted> {
    const { records } = decodeRecords(frame);
    for (let behind = 0; ; behind++) {
      try {
        return await this.#apply(batch, records);
      } catch (error) {
        if (!(error instanceof PredecessorMissing)) throw error;
        this.world.trace.count('predecessor missing');
        if (isLocal || behind === batch.ranges.length || !(await this.#bringUp(batch, error.range))) throw error;
        this.world.trace.count('caught up');
      }
    }
  }

  /** What was folded without effects, and is gone from the log, is a loss that this alarm reports. */
  #alarm(message: string, { partition, from, to }: { partition: string; from: number | string; to: number }): void {
    const { trace, oracle } = this.world;
    trace.tell(() => `worker: ${message}: ${partition} [${from}, ${to})`);
    oracle.caughtUp({ partition: Number(partition.split(':').at(-1)), from: typeof from === 'number' ? from : 0, to });
  }

  #bringUp(batch: BatchRef, range: BatchRange): Promise<boolean> {
    return this.#catchUp.bringUpTo(batch, range, (each, records) => this.#apply(each, records));
  }

  async #apply(batch: BatchRef, records: BatchRecord[]): Promise<Extracted> {
    const events: FoldEvent[] = [];
    const rejections: Rejection[] = [];
    records.forEach((record, recordIndex) => {
      if (poison.equals(record.value!))
        rejections.push({ index: recordIndex, step: 'decode', code: 'NOT_JSON', reason: 'poison' });
      else
        events.push({
          recordIndex,
          offset: record.offset,
          event: {},
          eventTimeMs: record.timestampMs,
          entityKeys: [`account-${record.partition}`],
        });
    });
    const fold = foldBatch(
      plan,
      batch,
      records.map(({ offset }) => offset),
      events,
      rejections,
    );
    const foldAndNote = (tx: FoldContext) => {
      const result = fold(tx);
      batch.ranges.forEach(({ partition }, i) => {
        const begin = tx.markers[i]?.position ?? -1;
        const folded = events.flatMap(({ recordIndex, offset }) =>
          records[recordIndex]!.partition === partition && offset >= begin ? [offset] : [],
        );
        const key = foldLogKey(partition);
        result.states.set(key, Float64Array.from([...(tx.get(key) ?? []), ...folded]));
      });
      return result;
    };
    const { header, recordIndex, values } = decodeFeatures(await this.world.store.apply(batch, foldAndNote));
    if (header.duplicates.length > 0) this.world.trace.count('duplicate records refused');
    const placeOf = (index: number): RecordPlace => {
      const { partition, offset } = records[index]!;
      return { partition, offset };
    };
    return {
      rows: Array.from(recordIndex, (index, row) => ({ ...placeOf(index), feature: values[row]! })),
      rejected: header.rejections.map(({ index }) => placeOf(index)),
    };
  }

  /** The policy depends on the model's version: two decisions about the same event need not be the same. */
  infer({ rows }: Extracted): Decided {
    const { modelVersion } = this.world;
    return {
      rows: rows.map((row) => ({
        ...row,
        modelVersion,
        outcome: (row.offset * 7 + modelVersion) % 3 === 0 ? 'review' : 'approve',
      })),
    };
  }
}
