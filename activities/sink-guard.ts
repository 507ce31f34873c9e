import { HeadraceError } from '../contracts/failures.ts';
import type { Delivery, Sink } from '../sinks/port.ts';
import { Breaker, type BreakerOptions, type DeliveryCall } from './breaker.ts';

/** How long a quick try may take: nobody waits for it any more after that. */
export const quickTryMs = 2_000;

/** A sink with its policy around it. */
export interface GuardedSink {
  readonly name: string;
  /**
   * Throws `SINK_UNAVAILABLE` when a try should not be made now: asked before anything is loaded for it. What it answers delivers, and
   * may be called several times, one after the other.
   */
  admit(call: DeliveryCall): (delivery: Delivery, signal: AbortSignal) => Promise<void>;
}

export interface GuardOptions extends Omit<BreakerOptions, 'onChange'> {
  deliveriesMax: number;
  /** A quick try that takes longer counts as failed. @default 2000 */
  quickMs?: number;
  onBreaker?: (pipeline: string, open: boolean) => void;
}

/**
 * Limits how many deliveries of a sink are under way: quick tries beyond it are refused, durable ones wait their turn. Each pipeline has
 * a breaker of its own, because what fails may be its topic or table, and must not hold up the others.
 */
export function guardSink(sink: Sink, { deliveriesMax, quickMs = quickTryMs, onBreaker, ...breakerOptions }: GuardOptions): GuardedSink {
  const waiting: (() => void)[] = [];
  const breakers = new Map<string, Breaker>();
  let underWay = 0;

  function breakerOf(pipeline: string): Breaker {
    let breaker = breakers.get(pipeline);
    if (!breaker) {
      breaker = new Breaker(sink.name, { ...breakerOptions, onChange: (open) => onBreaker?.(pipeline, open) });
      breakers.set(pipeline, breaker);
    }
    return breaker;
  }

  function refuseBeyondLimit({ local }: DeliveryCall): void {
    if (local && underWay >= deliveriesMax) throw new HeadraceError('SINK_UNAVAILABLE', `sink "${sink.name}" has ${underWay} deliveries under way, the most allowed`);
  }

  /** Resolves when a delivery has ended; rejects when the signal is aborted. */
  async function oneToEnd(signal: AbortSignal): Promise<void> {
    // A signal that is aborted already calls no listener any more.
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const onAbort = () => {
        waiting.splice(waiting.indexOf(wake), 1);
        resolve();
      };
      const wake = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      waiting.push(wake);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    signal.throwIfAborted();
  }

  /** Waits at the limit. Those before may find out meanwhile that the sink is away. */
  async function turn(call: DeliveryCall, breaker: Breaker, signal: AbortSignal): Promise<void> {
    try {
      await oneToEnd(signal);
      breaker.admit(call);
    } catch (error) {
      // Its turn is the next one's.
      waiting.shift()?.();
      throw error;
    }
  }

  return {
    name: sink.name,
    admit(call) {
      const breaker = breakerOf(call.pipeline);
      refuseBeyondLimit(call);
      breaker.admit(call);
      return async (delivery, signal) => {
        // Nothing may come between the last look and the count, or two would take the last place.
        refuseBeyondLimit(call);
        while (underWay >= deliveriesMax) await turn(call, breaker, signal);
        underWay++;
        let isSlow = false;
        const watch = call.local ? setTimeout(() => {
          isSlow = true;
          breaker.slow();
        }, quickMs) : undefined;
        try {
          await sink.deliver(delivery, signal);
          breaker.succeeded();
        } catch (error) {
          breaker.failed(error, isSlow);
          throw error;
        } finally {
          clearTimeout(watch);
          underWay--;
          waiting.shift()?.();
        }
      };
    },
  };
}
