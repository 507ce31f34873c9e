import type { Clock } from './clock.ts';

interface Commit {
  offset: number;
  metadata: string;
}

export interface CommitterPorts {
  clock: Clock;
  send(offset: number, metadata: string): Promise<void>;
  failed(offset: number, error: unknown): void;
}

const retryMs = 1_000;

/**
 * The commits of one partition: one at a time, so that none overtakes a later one, and of those that wait only the last. One that
 * fails is sent again until there is a newer one, so that a topic that falls silent shows no lag. Nobody has to wait for commits: one
 * that is lost only means that scored batches are found again.
 */
export class Committer {
  #next: Commit | undefined;
  #sending: Promise<void> | undefined;

  constructor(
    private readonly ports: CommitterPorts,
    private readonly signal: AbortSignal,
  ) {}

  commit(offset: number, metadata: string): void {
    this.#next = { offset, metadata };
    this.#sending ??= this.#send();
  }

  /** Resolves when nothing is left to commit. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    while (this.#next && !this.signal.aborted) {
      const commit: Commit = this.#next;
      this.#next = undefined;
      try {
        await this.ports.send(commit.offset, commit.metadata);
      } catch (error) {
        this.ports.failed(commit.offset, error);
        await this.ports.clock.sleep(retryMs, this.signal);
        this.#next ??= commit;
      }
    }
    this.#sending = undefined;
  }
}
