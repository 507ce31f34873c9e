import { HeadraceError } from '../contracts/failures.ts';
import type { Delivery, Sink } from '../sinks/port.ts';

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
  /** How long the breaker stays open before one quick try may test the sink. @default 2000 */
  openMs?: number;
  nowMs?: () => number;
  onBreaker?: (open: boolean) => void;
}

/**
 * Limits how many deliveries of a sink are under way, and opens a breaker after failures in a row. An open breaker sends quick
 * tries straight to the durable path, so that a dead sink costs the others nothing; durable tries always go through, because
 * Temporal spaces them out, and the first one that succeeds closes the breaker.
 */
export function guardSink(sink: Sink, { deliveriesMax, failuresMax = 3, openMs = 2_000, nowMs = Date.now, onBreaker }: GuardOptions): GuardedSink {
  let underWay = 0;
  let failuresInARow = 0;
  let openUntilMs = 0;
  return {
    name: sink.name,
    async deliver(delivery, { local, signal }) {
      if (local && failuresInARow >= failuresMax && nowMs() < openUntilMs) {
        throw new HeadraceError('SINK_UNAVAILABLE', `sink "${sink.name}" failed ${failuresInARow} times in a row; its breaker is open`);
      }
      if (underWay >= deliveriesMax) throw new HeadraceError('SINK_UNAVAILABLE', `sink "${sink.name}" has ${underWay} deliveries under way, the most allowed`);
      underWay++;
      try {
        await sink.deliver(delivery, signal);
        if (failuresInARow >= failuresMax) onBreaker?.(false);
        failuresInARow = 0;
      } catch (error) {
        if (!(error instanceof HeadraceError && error.code === 'SINK_REFUSED_ROW')) {
          failuresInARow++;
          openUntilMs = nowMs() + openMs;
          if (failuresInARow === failuresMax) onBreaker?.(true);
        }
        throw error;
      } finally {
        underWay--;
      }
    },
  };
}
