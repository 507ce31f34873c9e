import { sleep } from '../lib/sleep.ts';

/** Time, so that a simulation can own it. */
export interface Clock {
  /** Milliseconds since some beginning; they never go back. */
  nowMs(): number;
  /** Milliseconds since 1970. Somebody may set this clock. */
  wallMs(): number;
  /** Resolves after the time, or at once when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The real clock. It measures times and is never set: a budget that waits for 10:00 would wait for an hour when the wall clock is set back to 9. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  sleep,
};
