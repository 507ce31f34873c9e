import { HeadraceError } from '../contracts/failures.ts';
import type { Delivery, Sink } from '../sinks/port.ts';

/** How long a quick try may take: nobody waits for it any more after that. */
export const quickTryMs = 2_000;

/** A sink with its policy around it. */
export interface GuardedSink {
  readonly name: string;
  /** `local` says that the call is the one quick try; it is refused at once while the breaker is open or the limit is reached. */
  deliver(delivery: Delivery, call: { local: boolean; signal: AbortSignal }): Promise<void>;
}

export interface GuardOptions {
  deliveriesMax: number;
  /** Failures in a row that open the breaker. @default 3 */
  failuresMax?: number;
  /** A quick try that takes longer counts as failed. @default 2000 */
  quickMs?: number;
  /** How long the breaker stays open before one quick try may test the sink. @default 2000 */
  openMs?: number;
  /** Milliseconds that never go back. @default performance.now */
  nowMs?: () => number;
  onBreaker?: (open: boolean) => void;
}

/**
 * Limits how many deliveries of a sink are under way, and opens a breaker after failures in a row. An open breaker sends quick
 * tries straight to the durable path, so that a dead sink costs the others nothing; after a while one quick try at a time may
 * test the sink. Durable tries always go through, because Temporal spaces them out, and wait their turn at the limit; the first
 * try that succeeds closes the breaker.
 */
export function guardSink(sink: Sink, { deliveriesMax, failuresMax = 3, quickMs = quickTryMs, openMs = 2_000, nowMs = () => performance.now(), onBreaker }: GuardOptions): GuardedSink {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  let failuresInARow = 0;
  let openUntilMs = 0;
  let testing = false;

  /** Refuses a quick try that should not be made. Answers whether it is the one that tests the sink. */
  function admitQuickTry(): boolean {
    if (underWay >= deliveriesMax) throw new HeadraceError('SINK_UNAVAILABLE', `sink "${sink.name}" has ${underWay} deliveries under way, the most allowed`);
    if (failuresInARow < failuresMax) return false;
    if (testing || nowMs() < openUntilMs) throw new HeadraceError('SINK_UNAVAILABLE', `sink "${sink.name}" failed ${failuresInARow} times in a row; its breaker is open`);
    return true;
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

  function failed(error: unknown): void {
    if (error instanceof HeadraceError && error.code === 'SINK_REFUSED_ROW') return;
    failuresInARow++;
    openUntilMs = nowMs() + openMs;
    if (failuresInARow === failuresMax) onBreaker?.(true);
  }

  return {
    name: sink.name,
    async deliver(delivery, { local, signal }) {
      const isTest = local && admitQuickTry();
      if (isTest) testing = true;
      // Nothing may come between this look and the count below, or two would take the last place.
      while (!local && underWay >= deliveriesMax) await oneToEnd(signal);
      underWay++;
      let slow = false;
      const watch = local ? setTimeout(() => {
        slow = true;
        failed(undefined);
      }, quickMs) : undefined;
      try {
        await sink.deliver(delivery, signal);
        if (failuresInARow >= failuresMax) onBreaker?.(false);
        failuresInARow = 0;
      } catch (error) {
        if (!slow) failed(error);
        throw error;
      } finally {
        clearTimeout(watch);
        underWay--;
        if (isTest) testing = false;
        waiting.shift()?.();
      }
    },
  };
}
