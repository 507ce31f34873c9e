import type { Consumer } from 'kafkajs';
import { failedPoll } from './coordinator-failover.ts';

/**
 * Holds back what is resumed until the first poll after an assignment has ended. kafkajs takes up seeks at the beginning of a poll, in
 * the first one then asks for the committed offsets, and only after that looks which partitions are paused: a seek and a resume that
 * come in between would make it read from the committed offset. Where that lies outside of the log, it replaces our commit.
 */
export class FirstPoll {
  #isOver = false;
  #hasFailed = false;
  readonly #held = new Set<number>();
  /** Brokers whose poll has begun and not ended. */
  readonly #polling = new Set<number>();

  constructor(
    consumer: Pick<Consumer, 'on' | 'events'>,
    private readonly resumeNow: (partition: number) => void,
  ) {
    const { GROUP_JOIN, FETCH_START, FETCH } = consumer.events;
    consumer.on(GROUP_JOIN, () => {
      this.#isOver = false;
      this.#hasFailed = false;
      this.#held.clear();
      this.#polling.clear();
    });
    consumer.on(FETCH_START, ({ payload }) => void this.#polling.add(payload.nodeId));
    consumer.on(FETCH, ({ payload }) => {
      if (payload.numberOfBatches === failedPoll) {
        this.#hasFailed = true;
        return;
      }
      // A poll that began before the assignment ends nothing.
      if (!this.#polling.delete(payload.nodeId) || this.#isOver || this.#polling.size > 0) return;
      // One that failed may not know the committed offsets: the next one asks for them.
      if (this.#hasFailed) this.#hasFailed = false;
      else this.#end();
    });
  }

  resume(partition: number): void {
    if (this.#isOver) this.resumeNow(partition);
    else this.#held.add(partition);
  }

  forget(partition: number): void {
    this.#held.delete(partition);
  }

  #end(): void {
    this.#isOver = true;
    for (const partition of this.#held) this.resumeNow(partition);
    this.#held.clear();
  }
}
