import type { PartitionCommit } from '../kafka/source.ts';
import type { Clock } from './clock.ts';

export interface CommitterPorts {
  clock: Clock;
  send(commits: readonly PartitionCommit[]): Promise<void>;
  failed(commit: PartitionCommit, error: unknown): void;
}

const retryMs = 1_000;
/** What waits meanwhile goes along with it. */
const pauseMs = 250;

/**
 * The commits of one chain: one request at a time, so that none overtakes a later one; of those of a partition that wait only the last, and
 * those of all partitions together. One that fails is sent again until there is a newer one, so that a topic that falls silent shows no
 * lag; after a request that was refused each partition goes by itself, so that none holds up the others. Nobody has to wait for commits:
 * one that is lost only means that scored batches are found again.
 */
export class Committer {
  readonly #waiting = new Map<number, PartitionCommit>();
  #sending: Promise<void> | undefined;
  #isDraining = false;
  /** Ends pauses. Of what `AbortSignal.any` makes of the chain's signal, that one would keep a trace for as long as its assignment lasts. */
  readonly #goOn = new AbortController();

  constructor(
    private readonly ports: CommitterPorts,
    private readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', () => this.#goOn.abort(), { once: true });
  }

  commit(commits: readonly PartitionCommit[]): void {
    for (const commit of commits) this.#waiting.set(commit.partition, commit);
    if (this.#waiting.size > 0) this.#sending ??= this.#send();
  }

  /** Sends without a pause from now on. Resolves when nothing is left to commit. */
  async settled(): Promise<void> {
    this.#isDraining = true;
    this.#goOn.abort();
    await this.#sending;
  }

  async #send(): Promise<void> {
    while (this.#waiting.size > 0 && !this.signal.aborted) {
      const commits = [...this.#waiting.values()];
      this.#waiting.clear();
      const failed = await this.#trySend(commits);
      for (const commit of failed)
        if (!this.#waiting.has(commit.partition)) this.#waiting.set(commit.partition, commit);
      if (failed.length > 0) await this.ports.clock.sleep(retryMs, this.signal);
      else if (!this.#isDraining) await this.ports.clock.sleep(pauseMs, this.#goOn.signal);
    }
    this.#sending = undefined;
  }

  /** Returns those that failed. */
  async #trySend(commits: readonly PartitionCommit[]): Promise<PartitionCommit[]> {
    try {
      await this.ports.send(commits);
      return [];
    } catch (error) {
      if (commits.length === 1) {
        this.ports.failed(commits[0]!, error);
        return [...commits];
      }
    }
    const failed: PartitionCommit[] = [];
    for (const commit of commits) {
      if (this.signal.aborted) return failed;
      // Perhaps there was no answer in time: by now there may be a newer one.
      const newest = this.#waiting.get(commit.partition) ?? commit;
      this.#waiting.delete(commit.partition);
      failed.push(...(await this.#trySend([newest])));
    }
    return failed;
  }
}
