import type { Random } from './random.ts';

interface Entry {
  atMs: number;
  /** Decides between events of the same time: drawn from the seed, so that all orders come up. */
  order: number;
  act: () => void;
}

/**
 * The virtual time of one schedule: a queue of what happens when. One event at a time; what the code under test does about it (its
 * promises) is done before the next one.
 */
export class Scheduler {
  #heap: Entry[] = [];
  nowMs = 1_000_000;
  steps = 0;
  /** The first error that an event threw: the simulation's own fault, or an assertion. */
  failure: unknown;

  constructor(private readonly random: Random) {}

  after(delayMs: number, act: () => void): void {
    this.#push({ atMs: this.nowMs + delayMs, order: this.random.next(), act });
  }

  /** Lets time pass until `isDone` or `endMs`. Returns whether it was done. */
  runUntil(endMs: number, isDone: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const step = () => {
        if (this.failure !== undefined || isDone()) return resolve(this.failure === undefined);
        const next = this.#heap[0];
        if (!next || next.atMs > endMs) {
          this.nowMs = Math.max(this.nowMs, endMs);
          return resolve(isDone());
        }
        this.#pop();
        this.nowMs = Math.max(this.nowMs, next.atMs);
        this.steps++;
        try {
          next.act();
        } catch (error) {
          this.failure ??= error;
        }
        // The next turn of the event loop comes when all promises of this one are settled.
        setImmediate(step);
      };
      setImmediate(step);
    });
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, entry)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const size = heap.length;
    if (size === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
