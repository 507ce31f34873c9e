import { decodeCommitMetadata, encodeCommitMetadata } from '../../bridge/commit-metadata.ts';
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

  /** Stops the bridges and, once they have left and nothing is under way, puts the topic into another number of chains; gives up when that takes long. */
  changeChains(tries = 0): void {
    const { hosts, group, temporal, scheduler, random, trace, partitions } = this.world;
    if (tries === 0) for (const host of hosts) host.stop();
    // Nobody may be left who knows the number of before.
    const areGone = hosts.every(({ process }) => !process || process.isDead);
    const isQuiet =
      areGone && group.isEmpty && temporal.open().length === 0 && temporal.closedIncomplete().length === 0;
    const all = [...group.committed()].map(([partition, { offset, metadata }]) => ({
      partition,
      offset,
      metadata: decodeCommitMetadata(metadata),
    }));
    if (isQuiet && all.every(({ metadata }) => metadata)) {
      const layout = Math.max(...all.map(({ metadata }) => metadata!.layout)) + 1;
      this.world.chains = random.whole(1, Math.min(3, partitions));
      trace.count('number of chains set');
      trace.tell(() => `operator: layout ${layout} has ${this.world.chains} chains`);
      for (const { partition, offset, metadata } of all) {
        const { sequence: _, ...kept } = metadata!;
        group.commits.set(partition, {
          offset: offset!,
          metadata: encodeCommitMetadata({ ...kept, layout, chains: this.world.chains }),
        });
      }
    } else if (tries < 15) return scheduler.after(500, () => this.changeChains(tries + 1));
    for (const host of hosts) host.start();
  }

  #redrive(workflowId: string): void {
    const run = this.world.temporal.current(workflowId);
    if (run?.status === 'TERMINATED')
      this.world.temporal.reset(run, redrivePoint(historyOf(run) as never).keeps === 'decisions');
  }
}
