import type { BatchRef } from '../../contracts/event-key.ts';
import { decodeFeatures } from '../../contracts/features-frame.ts';
import { compileFeatures, foldBatch, MemoryStore, type FoldEvent } from '../../features/index.ts';
import pipeline from '../../pipelines/fraud/index.ts';
import { toEvent } from '../../pipelines/fraud/simulator/payment-event.ts';
import { simulateDays } from '../../pipelines/fraud/simulator/simulate.ts';
import type { SimulatedPayment } from '../../pipelines/fraud/simulator/payments.ts';
import type { WorldConfig } from '../../pipelines/fraud/simulator/world.ts';

/** One simulated day as a model sees it, and the truth that it is to learn. */
export interface TrainingDay {
  day: number;
  names: string[];
  /** Row-major, one row per payment. */
  features: Float32Array;
  payments: SimulatedPayment[];
}

/**
 * The features of every simulated payment, computed by the very code that serves them: the pipeline's schema and functions and
 * the feature engine, one partition in time order. So training and serving cannot differ.
 */
export async function* trainingDays(world: WorldConfig): AsyncGenerator<TrainingDay> {
  const plan = compileFeatures(pipeline);
  const store = new MemoryStore();
  let position = 0;
  let sequence = 0;
  for (const payments of simulateDays(world)) {
    const events = payments.map((payment, index) => foldEvent(payment, index, position + index));
    const end = position + events.length;
    const batch: BatchRef = {
      deployment: 'training',
      pipeline: pipeline.name,
      epoch: 0,
      topic: pipeline.topic.name,
      layout: 0,
      chain: 0,
      sequence: sequence++,
      ranges: [{ partition: 0, position, end, count: events.length, ...(position === 0 ? { first: true } : {}) }],
    };
    const result = await store.apply(
      batch,
      foldBatch(
        plan,
        batch,
        events.map(({ offset }) => offset),
        events,
        [],
      ),
    );
    const { header, values } = decodeFeatures(result);
    if (header.rejections.length > 0 || header.late.length > 0)
      throw new Error(
        `day ${payments[0]?.day}: ${header.rejections.length} rejected and ${header.late.length} late payments; there must be none`,
      );
    yield { day: payments[0]?.day ?? 0, names: header.names, features: values, payments };
    position = end;
  }
}

function foldEvent(payment: SimulatedPayment, recordIndex: number, offset: number): FoldEvent {
  const parsed = pipeline.event.safeParse(toEvent(payment, offset));
  if (!parsed.success) throw new Error(`the pipeline refuses payment ${offset}`);
  const event = parsed.data;
  return {
    recordIndex,
    offset,
    event,
    eventTimeMs: pipeline.eventTimeMs(event),
    entityKeys: Object.values(pipeline.entities).map((keyOf) => keyOf(event)),
  };
}
