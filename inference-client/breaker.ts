/**
 * A circuit breaker: stops asking a server that is unwell, and finds out by itself when it is well again.
 *
 * - `closed`: every call is allowed. Entered at the start and when a probe succeeds. Left for `open` after `failuresMax` failures in a row.
 * - `open`: every call is refused. Entered from `closed`, or when a probe fails. Left for `half-open` by the first call after `openMs`.
 * - `half-open`: one call, the probe, is allowed; all others are refused until it reports, or for `probeMs`. Success closes, failure opens
 *   again, and a probe that says nothing about the server (the caller gave it up) lets the next call be the probe.
 *
 * It has no timer and reads only the clock that it is given.
 */

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failuresMax: number;
  /** How long it stays open before it lets a probe through. */
  readonly openMs: number;
  /** After this long another probe may be made beside one that has not reported. @default Infinity */
  readonly probeMs?: number;
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
  /** Failures since the last success. */
  readonly failuresInRow: number;
  /** A permit, or how many milliseconds until it is worth asking again (0 while a probe is out). */
  acquire(): Permit | { readonly retryAfterMs: number };
  /** A permit for a call that is made whatever the state is. Its outcome decides the state as that of a probe does. */
  observe(): Permit;
}

/** Creates a breaker in state `closed`. */
export function createBreaker({ failuresMax, openMs, probeMs = Infinity, nowMs }: BreakerOptions): Breaker {
  let state: BreakerState = 'closed';
  let failuresInRow = 0;
  let openUntilMs = 0;
  let probeUntilMs = 0;
  // Counts changes of state, so that a call which began before the last one cannot decide the present one.
  let generation = 0;

  function enter(next: BreakerState): void {
    state = next;
    generation++;
    if (next === 'closed') failuresInRow = 0;
    if (next === 'half-open') probeUntilMs = nowMs() + probeMs;
    if (next === 'open') openUntilMs = nowMs() + openMs;
  }

  function permit(): Permit {
    const issuedIn = generation;
    const report = (act: () => void) => () => {
      if (issuedIn === generation) act();
    };
    return {
      succeeded: report(() => (state === 'closed' ? (failuresInRow = 0) : enter('closed'))),
      failed: report(() => {
        failuresInRow++;
        if (state !== 'closed' || failuresInRow >= failuresMax) enter('open');
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
    get failuresInRow() {
      return failuresInRow;
    },
    observe: permit,
    acquire() {
      if (state === 'half-open') {
        if (nowMs() < probeUntilMs) return { retryAfterMs: 0 };
        enter('half-open');
      }
      if (state === 'open') {
        const retryAfterMs = openUntilMs - nowMs();
        if (retryAfterMs > 0) return { retryAfterMs };
        enter('half-open');
      }
      return permit();
    },
  };
}
