export interface ClockWatchOptions {
  /** Told of steps back of at least this. */
  leastMs: number;
  everyMs?: number;
  /** The clock that can be set. @default Date.now */
  wallMs?: () => number;
  /** The clock that cannot. @default performance.now */
  nowMs?: () => number;
}

/**
 * Watches whether the wall clock is set back, and tells by how many milliseconds. One that is slowed down to fall in with others, as
 * NTP does, is not meant. Keeps no process alive.
 *
 * @returns a function that ends the watch
 */
export function watchClock(
  onSetBack: (byMs: number) => void,
  { leastMs, everyMs = 1_000, wallMs = Date.now, nowMs = () => performance.now() }: ClockWatchOptions,
): () => void {
  let aheadMs = wallMs() - nowMs();
  const timer = setInterval(() => {
    const beforeMs = aheadMs;
    aheadMs = wallMs() - nowMs();
    if (beforeMs - aheadMs >= leastMs) onSetBack(beforeMs - aheadMs);
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
