import type { Delivery } from '../contracts/delivery.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';

/**
 * A place that decisions are delivered to. Conditions, retries, breakers and limits are policy around a sink, never inside it.
 */
export interface Sink {
  /** The name that pipelines use, and that metrics carry. */
  readonly name: string;
  /**
   * Delivers the rows. Called again after any failure, with the same rows, possibly at the same time as an earlier call that
   * nobody waits for any more: the effect per event key must be the same as after one call. Throws a HeadraceError
   * `SINK_REFUSED_ROW` when the content of a row may be to blame (then it keeps none of them, and is asked for fewer), else
   * `SINK_UNAVAILABLE`, `SINK_WRONG` or `SINK_BROKEN`. Must respect the signal.
   */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /**
   * Proves that the sink takes rows now: takes one that it took before, `known` or else any that it holds, the whole way and without
   * keeping it. Returns false when there is none. Throws as `deliver` does. Absent: `deliver` proves it with `known`.
   */
  probe?(pipeline: AnyPipeline, known: Delivery | undefined, signal: AbortSignal): Promise<boolean>;
  /** Releases what the sink holds. Called once, when no delivery is under way. */
  close(): Promise<void>;
}
