import type { RootDatabase } from 'lmdb';
import { newestTimeOf } from './pack-state.ts';

/** Goes round and round through the stored states, a few at a time, and finds those that are too old to matter. */
export class StateSweep {
  /** Per key prefix, the key that the next step begins with. */
  readonly #cursors = new Map<string, string>();

  constructor(private readonly db: RootDatabase<Buffer, string>) {}

  /** Looks at the next `count` states under a prefix, and returns the keys of those without an event after `limitMs`. */
  step(prefix: string, limitMs: number, count: number): string[] {
    const old: string[] = [];
    let seen = 0;
    let next: string | undefined;
    for (const { key, value } of this.db.getRange({
      start: this.#cursors.get(prefix) ?? prefix,
      end: `${prefix}\uffff`,
      limit: count + 1,
    })) {
      if (seen++ === count) next = key;
      else if (newestTimeOf(value) <= limitMs) old.push(key);
    }
    if (next === undefined) this.#cursors.delete(prefix);
    else this.#cursors.set(prefix, next);
    return old;
  }
}
