import { createBreaker, type Breaker } from '@headrace/inference-client/breaker';
import { HeadraceError, messageOf } from '../../contracts/failures.ts';

export interface SinkBreakerOptions {
  /** Failures in a row that open the breaker. @default 3 */
  failuresMax?: number;
  /** How long after a failure the next try may test the sink. @default 2000 */
  openMs?: number;
  /** How long a test may take before another one is made beside it. @default 10000 */
  testMs?: number;
  /** Milliseconds that never go back. @default performance.now */
  nowMs?: () => number;
  onChange?: (open: boolean) => void;
}

/** What the breaker has to know of a try to deliver. */
export interface DeliveryCall {
  pipeline: string;
  /** The one quick try of a batch, which is not worth waiting for. */
  local: boolean;
  /** How long the batch has waited for this delivery since its first durable try. */
  waitedMs: number;
}

/** A durable try that is refused comes again after this long at the least, and at the most. */
const [retryLeastMs, retryMostMs] = [1_000, 120_000];
/** Of one that is new, at the most: another worker may reach the sink. */
const firstRetryMostMs = 60_000;

/** When a refused durable try comes again: after as long as it has waited, within bounds. */
export function retryAfter({ local, waitedMs }: DeliveryCall, leastMs = retryLeastMs): number | undefined {
  return local ? undefined : Math.min(retryMostMs, Math.max(retryLeastMs, leastMs, waitedMs));
}

/**
 * Refuses tries after failures in a row, so that a dead sink costs the others next to nothing, but for one every so often that tests
 * the sink; the first that succeeds closes the breaker. Quick tries go on durably then. Durable ones come back after as long as the
 * sink has been away, or the batch has waited: each costs Temporal and the worker some milliseconds, and thousands may be waiting.
 */
export class SinkBreaker {
  /** Quick tries that were too slow count as failures of it. */
  readonly #quick: Breaker;
  /** Counts what has really failed: a sink that is only too slow for quick tries takes durable ones. */
  readonly #durable: Breaker;
  readonly #nowMs: () => number;
  readonly #onChange: (open: boolean) => void;
  #isOpen = false;
  #successes = 0;
  #awaySinceMs = 0;
  #lastReason = 'it was too slow';

  constructor(
    /** As error texts name it. */
    private readonly sink: string,
    {
      failuresMax = 3,
      openMs = 2_000,
      testMs = 10_000,
      nowMs = () => performance.now(),
      onChange = () => {},
    }: SinkBreakerOptions,
  ) {
    const breaker = () => createBreaker({ failuresMax, openMs, probeMs: testMs, nowMs });
    [this.#quick, this.#durable] = [breaker(), breaker()];
    this.#nowMs = nowMs;
    this.#onChange = onChange;
  }

  /** Throws `SINK_UNAVAILABLE` when a try should not be made. Returns whether it is one that tests the sink. */
  admit(call: DeliveryCall): boolean {
    const breaker = call.local ? this.#quick : this.#durable;
    if (!('retryAfterMs' in breaker.acquire())) return breaker.state !== 'closed';
    throw new HeadraceError(
      'SINK_UNAVAILABLE',
      `sink "${this.sink}" failed ${breaker.failuresInRow} times in a row, and its breaker is open: ${this.#lastReason}`,
      { retryAfterMs: retryAfter(call, Math.min(firstRetryMostMs, this.#nowMs() - this.#awaySinceMs)) },
    );
  }

  /** Begins a try; its outcome is reported to the returned object. */
  begin(): { slow(): void; failed(error: unknown): void; succeeded(): void } {
    const begunAt = this.#successes;
    let wasSlow = false;
    /** What began before the last success says nothing of what is true now. */
    const isPast = () => begunAt !== this.#successes;
    return {
      /** It takes too long for a quick try, and may end well yet. */
      slow: () => {
        if (isPast()) return;
        wasSlow = true;
        this.#quick.observe().failed();
        this.#tellChange();
      },
      failed: (error) => {
        // It says nothing yet: whether the row is to blame or the sink is found out next, and told then.
        if (isPast() || (error instanceof HeadraceError && error.code === 'SINK_REFUSED_ROW')) return;
        if (this.#durable.failuresInRow === 0) this.#awaySinceMs = this.#nowMs();
        this.#lastReason = messageOf(error).replace(/^SINK_[A-Z]+: /, '');
        this.#durable.observe().failed();
        if (!wasSlow) this.#quick.observe().failed();
        this.#tellChange();
      },
      succeeded: () => {
        this.#successes++;
        this.#lastReason = 'it was too slow';
        this.#durable.observe().succeeded();
        this.#quick.observe().succeeded();
        this.#tellChange();
      },
    };
  }

  #tellChange(): void {
    const isOpen = this.#quick.state !== 'closed';
    if (isOpen === this.#isOpen) return;
    this.#isOpen = isOpen;
    this.#onChange(isOpen);
  }
}
