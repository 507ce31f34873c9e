import { HeadraceError } from '../../contracts/failures.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { Semaphore } from '../../lib/semaphore.ts';
import type { Delivery } from '../../contracts/delivery.ts';
import type { Sink } from '../port.ts';
import { SinkBreaker, retryAfter, type SinkBreakerOptions, type DeliveryCall } from './sink-breaker.ts';
import { delivering } from '../../contracts/timeouts.ts';

/** A try that may be made. */
export interface AdmittedTry {
  /** May be called several times, one after the other: for parts of the batch. */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /** Whether the sink takes a row that it took before: `known`, or one that it holds. False when there is none; throws when it does not. */
  probe(pipeline: AnyPipeline, known: Delivery | undefined, signal: AbortSignal): Promise<boolean>;
  /** Tells that the sink is what is wrong, although it answers. */
  failed(error: unknown): void;
  /** Tells that the sink is well, although it refuses rows. */
  succeeded(): void;
}

/** A sink with its policy around it. */
export interface GuardedSink {
  readonly name: string;
  /** Throws `SINK_UNAVAILABLE` when a try should not be made now: asked before anything is loaded for it. */
  admit(call: DeliveryCall): AdmittedTry;
}

export interface GuardOptions extends Omit<SinkBreakerOptions, 'onChange'> {
  /** Deliveries of one pipeline that may be under way. */
  deliveriesMax: number;
  /** Durable tries of one pipeline that may wait for their turn. @default 10 */
  waitingMax?: number;
  /** A quick try that takes longer counts as failed. @default 2000 */
  quickMs?: number;
  onBreaker?: (pipeline: string, open: boolean) => void;
}

/** What one pipeline has at a sink. */
interface Lane {
  breaker: SinkBreaker;
  semaphore: Semaphore;
}

/**
 * Limits how many deliveries of a sink are under way. Quick tries beyond that are refused; some durable ones wait their turn, and
 * further ones come again later, because each that waits holds a place that all activities share. Each pipeline has a limit and a
 * breaker of its own, because what hangs or fails may be its topic or table, and must not hold up the others.
 */
export function guardSink(
  sink: Sink,
  { deliveriesMax, waitingMax = 10, quickMs = delivering.quickMs, onBreaker, ...breakerOptions }: GuardOptions,
): GuardedSink {
  const lanes = new Map<string, Lane>();

  function laneOf(pipeline: string): Lane {
    let lane = lanes.get(pipeline);
    if (!lane) {
      lane = {
        semaphore: new Semaphore(deliveriesMax),
        breaker: new SinkBreaker(sink.name, { ...breakerOptions, onChange: (open) => onBreaker?.(pipeline, open) }),
      };
      lanes.set(pipeline, lane);
    }
    return lane;
  }

  function refuseBeyondLimit(call: DeliveryCall, { semaphore }: Lane): void {
    if (call.local ? !semaphore.isFull : semaphore.waiting < waitingMax) return;
    throw new HeadraceError(
      'SINK_UNAVAILABLE',
      `sink "${sink.name}" has ${semaphore.taken} deliveries of this pipeline under way, the most allowed${call.local ? '' : `, and ${semaphore.waiting} waiting`}`,
      { retryAfterMs: retryAfter(call) },
    );
  }

  /** Takes a place; a durable try waits for one. Those before it may find out meanwhile that the sink is away. */
  async function waitForPlace(call: DeliveryCall, lane: Lane, isTest: boolean, signal: AbortSignal): Promise<void> {
    refuseBeyondLimit(call, lane);
    await lane.semaphore.acquire(signal);
    try {
      if (!isTest) lane.breaker.admit(call);
    } catch (error) {
      lane.semaphore.release();
      throw error;
    }
  }

  return {
    name: sink.name,
    admit(call) {
      const lane = laneOf(call.pipeline);
      const { breaker, semaphore } = lane;
      refuseBeyondLimit(call, lane);
      const isTest = breaker.admit(call);
      async function run<T>(work: () => Promise<T>, signal: AbortSignal, isDelivery: boolean): Promise<T> {
        if (!semaphore.tryAcquire()) await waitForPlace(call, lane, isTest, signal);
        const begun = breaker.begin();
        const watch = call.local ? setTimeout(() => begun.slow(), quickMs) : undefined;
        try {
          const result = await work();
          // That an old row is taken says nothing of those that wait.
          if (isDelivery) begun.succeeded();
          return result;
        } catch (error) {
          begun.failed(error);
          throw error;
        } finally {
          clearTimeout(watch);
          semaphore.release();
        }
      }

      return {
        deliver: (delivery, signal) => run(() => sink.deliver(delivery, signal), signal, true),
        probe: (pipeline, known, signal) => run(() => probe(sink, pipeline, known, signal), signal, false),
        failed: (error) => breaker.begin().failed(error),
        succeeded: () => breaker.begin().succeeded(),
      };
    },
  };
}

async function probe(
  sink: Sink,
  pipeline: AnyPipeline,
  known: Delivery | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (sink.probe) return sink.probe(pipeline, known, signal);
  if (!known) return false;
  await sink.deliver(known, signal);
  return true;
}
