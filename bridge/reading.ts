import type { Source } from '../kafka/source.ts';

/** What is asked of the consumer for one partition: whether it reads on, and from where. */
export class Reading {
  #paused = true;
  /** What the consumer asks for next may not be what the lane needs next. */
  #mustSeek = false;
  #held = false;

  constructor(
    private readonly source: Pick<Source, 'pause' | 'resume' | 'seek'>,
    private readonly partition: number,
  ) {}

  get isPaused(): boolean {
    return this.#paused;
  }

  /** The consumer must be told again where to read. */
  lostItsPlace(): void {
    this.#mustSeek = true;
  }

  seek(offset: number): void {
    this.source.seek(this.partition, offset);
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.source.pause(this.partition);
  }

  /** Pauses until `release`, whoever else resumes. */
  hold(): void {
    this.#held = true;
    this.pause();
  }

  release(): void {
    this.#held = false;
  }

  /** Reads on; from `offset`, where the consumer may have lost its place. */
  resume(offset: number): void {
    if (!this.#paused || this.#held) return;
    if (this.#mustSeek) this.seek(offset);
    this.#mustSeek = false;
    this.#paused = false;
    this.source.resume(this.partition);
  }
}
