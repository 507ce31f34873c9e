import { kafkaRequests } from '../contracts/timeouts.ts';
/** Hands one commit to kafkajs. */
type Send = (partition: number, offset: number, metadata: string) => Promise<void>;

/** Longer than kafkajs tries again while brokers answer at all. A commit that takes longer may never end, and its partition would never commit again. */
const { stuckMs } = kafkaRequests;

/**
 * Commits with a deadline of our own, in order. One that has no answer in time fails for whoever waits for it, and kafkajs may still be
 * at it: the partition's next one is handed over only when that has ended, so that no commit of this consumer can overtake a later one
 * of its own. Whatever still waits when the group gives partitions out anew is dropped: it would be sent under the new generation.
 *
 * That is all it can promise: what kafkajs is at when the group gives partitions out anew it may send once more under the new generation, and
 * then it can come after a later commit of another consumer. The group's position goes back by that, and whoever begins there finds
 * the same batches scored already; on a topic that has fallen silent it shows as lag until the next commit.
 */
export class Commits {
  readonly #underWay = new Set<number>();
  /** Per partition the one that waits for kafkajs; a partition commits one at a time. */
  readonly #waiting = new Map<number, { begin(): void; drop(): void }>();

  constructor(
    private readonly send: Send,
    private readonly deadlineMs = kafkaRequests.commitMs,
    /** Told when kafkajs is at a commit for over a minute: only a new consumer gets the partition going again. */
    private readonly onStuck: (error: Error) => void = () => {},
  ) {}

  /** Rejects when it failed, had no answer in time, or was dropped. It may have its effect even so, unless it was dropped. */
  commit(partition: number, offset: number, metadata: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => {
        if (this.#waiting.get(partition) === turn) this.#waiting.delete(partition);
        clearTimeout(timer);
        reject(new Error(reason));
      };
      const timer = setTimeout(() => fail(`no answer within ${this.deadlineMs / 1_000} s`), this.deadlineMs);
      const turn = {
        begin: () => {
          this.#waiting.delete(partition);
          this.#underWay.add(partition);
          const stuck = setTimeout(
            () =>
              this.onStuck(new Error(`a commit of partition ${partition} has been under way for ${stuckMs / 1_000} s`)),
            stuckMs,
          );
          stuck.unref();
          this.send(partition, offset, metadata)
            .then(resolve, reject)
            .finally(() => {
              clearTimeout(timer);
              clearTimeout(stuck);
              this.#underWay.delete(partition);
              this.#waiting.get(partition)?.begin();
            })
            .catch(() => undefined);
        },
        drop: () => fail('the group gave its partitions out anew meanwhile'),
      };
      if (!this.#underWay.has(partition)) return turn.begin();
      this.#waiting.get(partition)?.drop();
      this.#waiting.set(partition, turn);
    });
  }

  /** The group has given the partitions out anew. */
  dropWaiting(): void {
    for (const { drop } of this.#waiting.values()) drop();
  }
}
