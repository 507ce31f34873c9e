import { HeadraceError, messageOf } from '../../contracts/failures.ts';

export interface BreakerOptions {
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
export class Breaker {
  readonly #options: Required<BreakerOptions>;
  /** Quick tries that were too slow count. */
  #failures = 0;
  /** These have really failed, the first of them then. A sink that is only too slow for quick tries takes durable ones. */
  #away = { failures: 0, sinceMs: 0, lastReason: '' };
  #successes = 0;
  #nextTestMs = 0;

  constructor(
    /** As error texts name it. */
    private readonly sink: string,
    {
      failuresMax = 3,
      openMs = 2_000,
      testMs = 10_000,
      nowMs = () => performance.now(),
      onChange = () => {},
    }: BreakerOptions,
  ) {
    this.#options = { failuresMax, openMs, testMs, nowMs, onChange };
  }

  /** Throws `SINK_UNAVAILABLE` when a try should not be made. Returns whether it is one that tests the sink. */
  admit(call: DeliveryCall): boolean {
    const { failuresMax, testMs } = this.#options;
    const failures = call.local ? this.#failures : this.#away.failures;
    if (failures < failuresMax) return false;
    const nowMs = this.#options.nowMs();
    if (nowMs >= this.#nextTestMs) {
      // Whatever becomes of this test, another one follows.
      this.#nextTestMs = nowMs + testMs;
      return true;
    }
    const { sinceMs, lastReason } = this.#away;
    const reason = lastReason === '' ? 'it was too slow' : lastReason;
    throw new HeadraceError(
      'SINK_UNAVAILABLE',
      `sink "${this.sink}" failed ${failures} times in a row, and its breaker is open: ${reason}`,
      { retryAfterMs: retryAfter(call, Math.min(firstRetryMostMs, nowMs - sinceMs)) },
    );
  }

  /** Begins a try; what comes of it is told to the answer. */
  begin(): { slow(): void; failed(error: unknown): void; succeeded(): void } {
    const { failuresMax, openMs, nowMs, onChange } = this.#options;
    const begunAt = this.#successes;
    let wasSlow = false;
    /** What began before the last success says nothing of what is true now. */
    const isPast = () => begunAt !== this.#successes;
    const count = () => {
      this.#failures++;
      if (this.#failures === failuresMax) onChange(true);
    };
    return {
      /** It takes too long for a quick try, and may end well yet. */
      slow: () => {
        if (isPast()) return;
        wasSlow = true;
        this.#nextTestMs = Math.max(this.#nextTestMs, nowMs() + openMs);
        count();
      },
      failed: (error) => {
        // What content is to blame for says nothing of the sink.
        if (isPast() || (error instanceof HeadraceError && error.code === 'SINK_REFUSED_ROW')) return;
        const { failures, sinceMs } = this.#away;
        this.#away = {
          failures: failures + 1,
          sinceMs: failures === 0 ? nowMs() : sinceMs,
          lastReason: messageOf(error).replace(/^SINK_[A-Z]+: /, ''),
        };
        this.#nextTestMs = nowMs() + openMs;
        if (!wasSlow) count();
      },
      succeeded: () => {
        if (this.#failures >= failuresMax) onChange(false);
        this.#successes++;
        this.#failures = 0;
        this.#away = { failures: 0, sinceMs: 0, lastReason: '' };
      },
    };
  }
}
