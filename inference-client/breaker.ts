/**
 * A circuit breaker: stops asking a server that is unwell, and finds out by itself when it is well again.
 *
 * - `closed`: every call is allowed. Entered at the start and when a probe succeeds. Left for `open` after `failuresMax` failures in a row.
 * - `open`: every call is refused. Entered from `closed`, or when a probe fails. Left for `half-open` by the first call after `openMs`.
 * - `half-open`: one call, the probe, is allowed; all others are refused until it reports. Success closes, failure opens again, and a probe
 *   that says nothing about the server (the caller gave it up) lets the next call be the probe.
 *
 * It has no timer and reads only the clock that it is given.
 */

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failuresMax: number;
  /** How long it stays open before it lets a probe through. */
  readonly openMs: number;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}

/** Leave to make one call; the caller reports the outcome once. Reports of calls from before the last change of state are ignored. */
export interface Permit {
  succeeded(): void;
  failed(): void;
  /** The call says nothing about the health of the server. */
  abstained(): void;
}

export interface Breaker {
  readonly state: BreakerState;
  /** A permit, or how many milliseconds until it is worth asking again (0 while a probe is out). */
  acquire(): Permit | { readonly retryAfterMs: number };
}

/** Creates a breaker in state `closed`. */
export function createBreaker({ failuresMax, openMs, nowMs }: BreakerOptions): Breaker {
  let state: BreakerState = 'closed';
  let failuresInRow = 0;
  let openUntilMs = 0;
  // Counts changes of state, so that a call which began before the last one cannot decide the present one.
  let generation = 0;

  function enter(next: BreakerState): void {
    state = next;
    generation++;
    failuresInRow = 0;
    if (next === 'open') openUntilMs = nowMs() + openMs;
  }

  function permit(): Permit {
    const issuedIn = generation;
    const report = (act: () => void) => () => {
      if (issuedIn === generation) act();
    };
    return {
      succeeded: report(() => (state === 'half-open' ? enter('closed') : (failuresInRow = 0))),
      failed: report(() => {
        failuresInRow++;
        if (state === 'half-open' || failuresInRow >= failuresMax) enter('open');
      }),
      abstained: report(() => {
        if (state !== 'half-open') return;
        enter('open');
        openUntilMs = nowMs();
      }),
    };
  }

  return {
    get state() {
      return state;
    },
    acquire() {
      if (state === 'half-open') return { retryAfterMs: 0 };
      if (state === 'open') {
        const retryAfterMs = openUntilMs - nowMs();
        if (retryAfterMs > 0) return { retryAfterMs };
        enter('half-open');
      }
      return permit();
    },
  };
}
