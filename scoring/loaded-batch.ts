import type { Decisions } from '../contracts/decisions-frame.ts';
import type { Features } from '../contracts/features-frame.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { DecisionRow } from '../contracts/delivery.ts';
import type { DecodedEvent } from '../pipelines/decode-event.ts';

/** A function of the pipeline that decides events one by one. */
export type PolicyFunction = 'decide' | 'model.fallback';

/** A batch in memory, as far as it has come. */
export interface LoadedBatch {
  pipeline: AnyPipeline;
  /** See `recordsOf`. */
  recordsFrame: Uint8Array;
  /** One per record; NaN for one without a usable time. */
  recordTimesMs: Float64Array;
  /** One per features row, in row order. */
  events: DecodedEvent[];
  features: Features;
  /** The answer of `decide`, from the moment that it is asked for. */
  deciding?: Promise<Decisions>;
  decisions?: Decisions;
  /** Of each function of the pipeline that failed on every event: how many it had accepted by then. */
  functionsAccepted: Map<PolicyFunction, number>;
  rows?: DecisionRow[];
  /** Deliveries that this worker has not seen end. */
  undelivered?: Set<string>;
  bytes: number;
}
