import { kafkaRequests } from '../contracts/timeouts.ts';
import type { PartitionCommit } from './source.ts';

/** Hands commits to kafkajs, in one request. */
type Send = (commits: readonly PartitionCommit[]) => Promise<void>;

/** Longer than kafkajs tries again while brokers answer at all. A commit that takes longer may never end, and its partition would never commit again. */
const { stuckMs } = kafkaRequests;

/**
 * Commits with a deadline of our own, in order. One that has no answer in time fails for whoever waits for it, and kafkajs may still be
 * at it: the next one of any of its partitions is handed over only when that has ended, so that no commit of this consumer can overtake a later one
 * of its own. Whatever still waits when the group gives partitions out anew is dropped: it would be sent under the new generation.
 *
 * That is all it can promise: what kafkajs is at when the group gives partitions out anew it may send once more under the new generation, and
 * then it can come after a later commit of another consumer. The group's position goes back by that, and whoever begins there finds
 * the same batches scored already; on a topic that has fallen silent it shows as lag until the next commit.
 */
export class Commits {
  /** Partitions of which kafkajs is at a commit. */
  readonly #underWay = new Set<number>();
  /** Those that wait for kafkajs, in order. Whoever commits has one under way at a time, and no two commit the same partitions. */
  #waiting: Turn[] = [];

  constructor(
    private readonly send: Send,
    private readonly deadlineMs = kafkaRequests.commitMs,
    /** Told when kafkajs is at a commit for over a minute: only a new consumer gets its partitions going again. */
    private readonly onStuck: (error: Error) => void = () => {},
  ) {}

  /** Rejects when it failed, had no answer in time, or was dropped. It may have its effect even so, unless it was dropped. */
  commit(commits: readonly PartitionCommit[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const partitions = commits.map(({ partition }) => partition);
      const fail = (reason: string) => {
        this.#waiting = this.#waiting.filter((each) => each !== turn);
        clearTimeout(timer);
        reject(new Error(reason));
      };
      const timer = setTimeout(() => fail(`no answer within ${this.deadlineMs / 1_000} s`), this.deadlineMs);
      const turn: Turn = {
        partitions,
        begin: () => {
          void this.#send(commits, partitions)
            .then(resolve, reject)
            .finally(() => clearTimeout(timer));
        },
        drop: () => fail('the group gave its partitions out anew meanwhile'),
      };
      // A later one of the same partitions says what an earlier one that waits would have said.
      for (const each of this.#waiting.filter((one) => one.partitions.some((p) => partitions.includes(p)))) each.drop();
      this.#waiting.push(turn);
      this.#beginWaiting();
    });
  }

  /** The group has given the partitions out anew. */
  dropWaiting(): void {
    for (const { drop } of this.#waiting) drop();
  }

  #beginWaiting(): void {
    for (const turn of this.#waiting) {
      if (turn.partitions.some((partition) => this.#underWay.has(partition))) continue;
      this.#waiting = this.#waiting.filter((each) => each !== turn);
      turn.begin();
    }
  }

  async #send(commits: readonly PartitionCommit[], partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.#underWay.add(partition);
    const stuck = setTimeout(
      () =>
        this.onStuck(
          new Error(`a commit of partitions ${partitions.join(', ')} has been under way for ${stuckMs / 1_000} s`),
        ),
      stuckMs,
    );
    stuck.unref();
    try {
      await this.send(commits);
    } finally {
      clearTimeout(stuck);
      for (const partition of partitions) this.#underWay.delete(partition);
      this.#beginWaiting();
    }
  }
}

interface Turn {
  partitions: readonly number[];
  begin(): void;
  drop(): void;
}
