import type { Client } from '../temporal/connection.ts';
import { workflowNames } from '../contracts/names.ts';
import { messageOf } from '../contracts/failures.ts';
import type { Clock } from './clock.ts';

const pollMs = 2_000;
const deadlineMs = 5_000;

/**
 * How many batches of a pipeline are scored and not yet delivered everywhere. At the limit no further one is started, so that a
 * dead sink lets Kafka hold the backlog and not Temporal. The count comes from visibility, some seconds late: it is a bound in
 * the long run, not to the unit.
 */
export class OpenBatches {
  #count = 0;
  #waiting = new Set<() => void>();
  readonly #stopped = new AbortController();

  constructor(
    private readonly clock: Clock,
    private readonly count: () => Promise<number>,
    private readonly openMax: number,
    private readonly report: (count: number, error?: string) => void,
  ) {}

  /** Counts until `stop`. */
  async watch(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        this.#count = await this.count();
        this.report(this.#count);
        if (!this.isFull()) this.#letGo();
      } catch (error) {
        this.report(this.#count, messageOf(error));
      }
      await this.clock.sleep(pollMs, this.#stopped.signal);
    }
  }

  stop(): void {
    this.#stopped.abort();
    this.#letGo();
  }

  isFull(): boolean {
    return this.#count >= this.openMax;
  }

  /** Resolves when another batch may be open, or the signal is aborted. */
  admit(signal: AbortSignal): Promise<void> {
    if (!this.isFull() || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const release = () => {
        this.#waiting.delete(release);
        signal.removeEventListener('abort', release);
        resolve();
      };
      this.#waiting.add(release);
      signal.addEventListener('abort', release);
    });
  }

  #letGo(): void {
    for (const release of this.#waiting) release();
  }
}

/** Counts a pipeline's running batches, those of one deployment, in Temporal's visibility. */
export function countOpenBatches(client: Client, deployment: string, pipeline: string): () => Promise<number> {
  const query = `WorkflowType = '${workflowNames.processBatch}' AND WorkflowId STARTS_WITH 'batch:${deployment}:${pipeline}:' AND ExecutionStatus = 'Running'`;
  return async () => (await client.withDeadline(Date.now() + deadlineMs, () => client.workflow.count(query))).count;
}
