import { watermarks } from '../watermark-oracle.ts';
import { latenessMs, type Payment } from './support.ts';

/** How far back the windows of each entity reach. */
const longestMs = { card: 40_000, shop: 35_000 };

/**
 * The rows of a whole log, computed from the definition of each feature by looking at all earlier events again. Knows nothing of
 * panes or state. Times are whole seconds here, the resolution of the windows.
 */
export function naiveRows(log: readonly Payment[]): { row: number[]; late: boolean }[] {
  const times = watermarks(
    log.map(({ timeMs }) => timeMs),
    latenessMs,
    log.map(({ clockMs }) => clockMs ?? Infinity),
  );
  return log.map((payment, i) => {
    const { late, watermarkMs, believed } = times[i]!;
    const within = (key: 'card' | 'shop', lengthMs: number, delayMs = 0) =>
      log.slice(0, i + 1).filter((other, j) => {
        const age = payment.timeMs - delayMs - other.timeMs;
        // Only a late event can ask for what was forgotten.
        const forgotten = believed && other.timeMs <= watermarkMs - longestMs[key] - latenessMs;
        return !times[j]!.late && !forgotten && other[key] === payment[key] && age >= 0 && age < lengthMs;
      });
    const total = (payments: Payment[]) => payments.reduce((sum, { amount }) => sum + amount, 0);
    const cards = within('card', 10_000);
    const row = [
      payment.amount,
      cards.length,
      cards.length > 0 ? total(cards) / cards.length : 0,
      total(within('shop', 30_000, 5_000)),
      within('card', 40_000).length,
      within('shop', 7_500).length,
    ];
    return { row: row.map(Math.fround), late };
  });
}
