import type { Payment } from './support.ts';

export const batchRecords = 64;

/** The payments of one partition, always the same. Cards are its own, and a third of them new; shops are shared with the other partitions. */
export function childLog(partition: number, length: number): Payment[] {
  return Array.from({ length }, (_, i) => ({
    id: `${partition}-${i}`,
    timeMs: Math.floor(i / 8) * 1_000 + ((i * 7) % 5) * 1_000,
    card: `card ${partition} ${i % 3 === 0 ? i : (i * 13) % 29}`,
    shop: `shop ${(i * 31 + partition) % 17}`,
    amount: ((i * 37) % 1_000) / 100,
  }));
}
