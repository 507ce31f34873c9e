import { HeadraceError, messageOf } from '../contracts/failures.ts';
import type { Delivery, Sink } from '../sinks/port.ts';

/** How long a quick try may take: nobody waits for it any more after that. */
export const quickTryMs = 2_000;

/** What the guard has to know of a try to deliver. */
export interface DeliveryCall {
  /** The one quick try of a batch, which is not worth waiting for. */
  local: boolean;
  /** How long the batch has waited for this delivery since its first durable try. */
  waitedMs: number;
}

/** A sink with its policy around it. */
export interface GuardedSink {
  readonly name: string;
  /** Throws `SINK_UNAVAILABLE` when a try would be refused now: asked before anything is loaded for it. */
  admit(call: DeliveryCall): void;
  deliver(delivery: Delivery, call: DeliveryCall, signal: AbortSignal): Promise<void>;
}

export interface GuardOptions {
  deliveriesMax: number;
  /** Failures in a row that open the breaker. @default 3 */
  failuresMax?: number;
  /** A quick try that takes longer counts as failed. @default 2000 */
  quickMs?: number;
  /** How long the breaker stays open before one try may test the sink. @default 2000 */
  openMs?: number;
  /** Milliseconds that never go back. @default performance.now */
  nowMs?: () => number;
  onBreaker?: (open: boolean) => void;
}

/** A durable try that is refused comes again after this long at the least, and at the most. */
const [retryLeastMs, retryMostMs] = [1_000, 120_000];

/**
 * Limits how many deliveries of a sink are under way, and opens a breaker after failures in a row, so that a dead sink costs the
 * others next to nothing: tries are refused at once, but for one at a time, every so often, that tests the sink. The first that
 * succeeds closes the breaker. Quick tries go on durably then. Durable ones come back after as long as the sink has been away, or the
 * batch has waited: each try costs Temporal and the worker some milliseconds, and thousands of batches may be waiting.
 *
 * A sink that is only too slow for quick tries takes durable ones as always; at the limit, these wait their turn.
 */
export function guardSink(sink: Sink, { deliveriesMax, failuresMax = 3, quickMs = quickTryMs, openMs = 2_000, nowMs = () => performance.now(), onBreaker }: GuardOptions): GuardedSink {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  /** Slow quick tries count. */
  let failuresInARow = 0;
  /** These have really failed, the first of them then. */
  let away = { failures: 0, sinceMs: 0, lastReason: '' };
  let openUntilMs = 0;
  let testing = false;

  /** Refuses a try that should not be made. Answers whether it is one that tests the sink. */
  function admit({ local, waitedMs }: DeliveryCall): boolean {
    if (local && underWay >= deliveriesMax) throw new HeadraceError('SINK_UNAVAILABLE', `sink "${sink.name}" has ${underWay} deliveries under way, the most allowed`);
    const failures = local ? failuresInARow : away.failures;
    if (failures < failuresMax) return false;
    if (!testing && nowMs() >= openUntilMs) return true;
    const retryAfterMs = local ? undefined : Math.min(retryMostMs, Math.max(retryLeastMs, nowMs() - away.sinceMs, waitedMs));
    const reason = away.lastReason === '' ? '' : `: ${away.lastReason}`;
    throw new HeadraceError('SINK_UNAVAILABLE', `sink "${sink.name}" failed ${failures} times in a row; its breaker is open${reason}`, { retryAfterMs });
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

  function failed(): void {
    failuresInARow++;
    openUntilMs = nowMs() + openMs;
    if (failuresInARow === failuresMax) onBreaker?.(true);
  }

  function succeeded(): void {
    if (failuresInARow >= failuresMax) onBreaker?.(false);
    failuresInARow = 0;
    away = { failures: 0, sinceMs: 0, lastReason: '' };
  }

  async function tryOnce(delivery: Delivery, { local }: DeliveryCall, signal: AbortSignal): Promise<void> {
    // Nothing may come between the last look and the count, or two would take the last place.
    while (!local && underWay >= deliveriesMax) await oneToEnd(signal);
    underWay++;
    let slow = false;
    const watch = local ? setTimeout(() => {
      slow = true;
      failed();
    }, quickMs) : undefined;
    try {
      await sink.deliver(delivery, signal);
      succeeded();
    } catch (error) {
      if (!(error instanceof HeadraceError && error.code === 'SINK_REFUSED_ROW')) {
        if (!slow) failed();
        away = { failures: away.failures + 1, sinceMs: away.failures === 0 ? nowMs() : away.sinceMs, lastReason: messageOf(error) };
      }
      throw error;
    } finally {
      clearTimeout(watch);
      underWay--;
      waiting.shift()?.();
    }
  }

  return {
    name: sink.name,
    admit: (call) => void admit(call),
    async deliver(delivery, call, signal) {
      if (!admit(call)) return tryOnce(delivery, call, signal);
      testing = true;
      try {
        await tryOnce(delivery, call, signal);
      } finally {
        testing = false;
      }
    },
  };
}
