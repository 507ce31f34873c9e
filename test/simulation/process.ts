import type { Clock } from '../../bridge/clock.ts';
import type { Scheduler } from './scheduler.ts';

interface Step {
  what: string;
}

/**
 * An operating system process: what happens in it, happens through `run`. Killed, nothing reaches it any more, at whatever step it
 * was; frozen (SIGSTOP), all that reaches it waits, and comes at once when it goes on: a zombie.
 */
export class SimProcess {
  #state: 'up' | 'frozen' | 'dead' = 'up';
  #waiting: (() => void)[] = [];
  /** What is under way here just now: says in which window a kill hits. */
  readonly underWay = new Set<Step>();
  /** Told of each step that begins. */
  onStep: (what: string) => void = () => {};
  readonly clock: Clock;

  constructor(
    readonly name: string,
    private readonly scheduler: Scheduler,
  ) {
    this.clock = {
      nowMs: () => scheduler.nowMs,
      wallMs: () => scheduler.nowMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    };
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  /** Does something that a kill may hit at one step or another; `at` says that it has come to the next one. */
  async during<T>(what: string, work: (at: (what: string) => void) => Promise<T>): Promise<T> {
    const step = { what };
    this.underWay.add(step);
    this.onStep(what);
    try {
      return await work((next) => {
        step.what = next;
        this.onStep(next);
      });
    } finally {
      this.underWay.delete(step);
    }
  }

  run(act: () => void): void {
    if (this.#state === 'up') act();
    else if (this.#state === 'frozen') this.#waiting.push(act);
  }

  /** Runs it here, later. */
  after(delayMs: number, act: () => void): void {
    this.scheduler.after(delayMs, () => this.run(act));
  }

  kill(): void {
    this.#state = 'dead';
    this.#waiting = [];
  }

  freeze(): void {
    if (this.#state === 'up') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'up';
    // One after another, so that each sees what the one before it did.
    for (const act of this.#waiting.splice(0)) this.scheduler.after(0, () => this.run(act));
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal?.removeEventListener('abort', done);
        resolve();
      };
      signal?.addEventListener('abort', done);
      this.after(ms, done);
    });
  }
}
