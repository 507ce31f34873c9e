const hourMs = 3_600_000;

/** What is true of one event's time, in the order of its partition. */
export interface TimedEvent {
  late: boolean;
  /** The watermark after it. */
  watermarkMs: number;
  /** Whether the watermark rests on enough events for anything to be forgotten. */
  believed: boolean;
}

/** The rule of the watermark in the plainest way: each time it looks back at the events before. `clocksMs` says what the time was when each came. */
export function watermarks(
  timesMs: readonly number[],
  allowedLatenessMs: number,
  clocksMs: readonly number[] = [],
): TimedEvent[] {
  const capped = timesMs.map((timeMs, i) => Math.min(timeMs, clocksMs[i] ?? Infinity));
  const after: TimedEvent[] = [];
  /** Since when each event in a row has lain too far ahead. */
  let aheadFrom: number | undefined;
  capped.forEach((timeMs, i) => {
    const before = after[i - 1]?.watermarkMs;
    const believed = i + 1 >= 32;
    const add = (watermarkMs: number, late = false) => void after.push({ watermarkMs, late, believed });
    const isFirstWrong = before !== undefined && i < 32 && timeMs < before - allowedLatenessMs - 7 * 24 * hourMs;
    const isAhead = before !== undefined && timeMs > before + Math.max(allowedLatenessMs, hourMs);
    if (!isAhead) aheadFrom = undefined;
    if (before === undefined || isFirstWrong) return add(timeMs);
    if (!isAhead) return add(Math.max(before, timeMs), timesMs[i]! < before - allowedLatenessMs);
    aheadFrom ??= i;
    if (i - aheadFrom + 1 < 32) return add(before);
    add(Math.min(...capped.slice(aheadFrom, i + 1)));
    aheadFrom = undefined;
  });
  return after;
}
