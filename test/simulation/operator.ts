import type { World } from './world.ts';

/** Who runs the commands that the bridge prints, after a while; and, in the end, does what the sweeper finds. */
export class Operator {
  #told = new Set<string>();

  constructor(private readonly world: World) {}

  /** Reads the command of a halted partition. */
  told(reason: string): void {
    const found = /workflow reset --workflow-id "([^"]+)" --run-id (\S+) (--event-id|--type)/.exec(reason);
    if (!found || this.#told.has(found[2]!)) return;
    const [, workflowId, runId, point] = found;
    this.#told.add(runId!);
    this.world.scheduler.after(this.world.random.whole(500, 8_000), () => {
      const run = this.world.temporal.runs.get(workflowId!)?.find((each) => each.runId === runId);
      if (run) this.world.temporal.reset(run, point === '--event-id');
    });
  }

  /** Every run that closed without completing is re-driven: with its decisions, when a sink may have seen them. */
  sweep(): void {
    for (const run of this.world.temporal.closedIncomplete()) this.world.temporal.reset(run, run.secondTaskStarted);
  }
}
