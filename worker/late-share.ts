import type { Logger } from '../lib/log.ts';
import { Rarely } from './rarely.ts';

const windowMs = 60_000;
const toldEveryMs = 10 * 60_000;
/** Fewer are told by the metric alone. */
const lateMin = 20;
const shareMin = 0.1;

/** Notes events and late ones of each pipeline, and tells when within a minute many of them come too late for their windows. */
export function createLateShare(
  log: Logger,
  nowMs: () => number = () => performance.now(),
): (pipeline: string, events: number, late: number) => void {
  const minutes = new Map<string, { sinceMs: number; events: number; late: number }>();
  const rarely = new Rarely(toldEveryMs, nowMs);
  return (pipeline, events, late) => {
    const known = minutes.get(pipeline);
    const minute = known && nowMs() - known.sinceMs < windowMs ? known : { sinceMs: nowMs(), events: 0, late: 0 };
    minutes.set(pipeline, minute);
    minute.events += events;
    minute.late += late;
    if (minute.late < lateMin || minute.late < shareMin * minute.events) return;
    rarely.happened(pipeline, 1, false, () =>
      log.error(
        { pipeline, events: minute.events, late: minute.late },
        'many events come too late for their windows: a producer that is behind or has a wrong clock, or a backfill; or events that ran ahead of the others and moved the watermark',
      ),
    );
  };
}
