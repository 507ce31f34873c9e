import type { BatchRef } from '../../contracts/event-key.ts';
import type { LedgerEnd } from '../../bridge/ledger-ends.ts';

/** What the range ledger knows of each partition. */
export class FakeLedger {
  readonly #ends = new Map<number, LedgerEnd>();

  add({ layout, sequence, ranges }: BatchRef): void {
    for (const { partition, end } of ranges) {
      const known = this.#ends.get(partition);
      const isNewer = !known || layout > known.layout || (layout === known.layout && sequence > known.sequence);
      this.#ends.set(partition, {
        end: Math.max(end, known?.end ?? 0),
        ...(isNewer ? { layout, sequence } : { layout: known.layout, sequence: known.sequence }),
      });
    }
  }

  clear(): void {
    this.#ends.clear();
  }

  ends(): ReadonlyMap<number, LedgerEnd> {
    return new Map(this.#ends);
  }
}
