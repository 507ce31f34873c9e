import { redrivePoint } from '../../temporal/redrive.ts';
import { historyOf } from './fake-client.ts';
import type { World } from './world.ts';

/** Who runs the command that the bridge prints, after a while; and, in the end, what the sweep names. */
export class Operator {
  readonly #told = new Set<string>();

  constructor(private readonly world: World) {}

  /** Reads the command of a halted partition. */
  told(reason: string): void {
    const workflowId = /headrace redrive ['"]?(batch:[\w:.-]+)/.exec(reason)?.[1];
    if (!workflowId || this.#told.has(workflowId)) return;
    this.#told.add(workflowId);
    this.world.scheduler.after(this.world.random.whole(500, 8_000), () => {
      this.#told.delete(workflowId);
      this.#redrive(workflowId);
    });
  }

  /** Every run that closed without completing is re-driven. */
  sweep(): void {
    for (const { workflowId } of this.world.temporal.closedIncomplete()) this.#redrive(workflowId);
  }

  #redrive(workflowId: string): void {
    const run = this.world.temporal.current(workflowId);
    if (run?.status === 'TERMINATED')
      this.world.temporal.reset(run, redrivePoint(historyOf(run) as never).keeps === 'decisions');
  }
}
