import { chainOf } from '../../contracts/event-key.ts';
import type { Commit, PartitionCommit } from '../../kafka/source.ts';
import type { FakeSource } from './fake-source.ts';
import type { World } from './world.ts';

export const sessionTimeoutMs = 10_000;

/** The coordinator of the consumer group: who has which partitions, in which generation, and what was committed. */
export class FakeGroup {
  generation = 0;
  readonly commits = new Map<number, { offset: number; metadata: string | null }>();
  #members = new Map<FakeSource, number[]>();

  constructor(private readonly world: World) {}

  join(source: FakeSource): void {
    if (this.#members.has(source)) return;
    this.#members.set(source, []);
    this.rebalance();
  }

  leave(source: FakeSource): void {
    if (this.#members.delete(source)) this.rebalance();
  }

  has(source: FakeSource): boolean {
    return this.#members.has(source);
  }

  /** A member went silent: it is put out when it still is after the session time-out. */
  silent(source: FakeSource): void {
    this.world.scheduler.after(sessionTimeoutMs, () => {
      if (source.process.isUp || !this.#members.has(source)) return;
      this.world.trace.tell(() => `group: ${source.name} is put out`);
      this.leave(source);
    });
  }

  /** A new generation; who does not answer is not in it. */
  rebalance(): void {
    const { random, trace, partitions, chains } = this.world;
    for (const source of this.#members.keys()) if (!source.process.isUp) this.#members.delete(source);
    this.generation++;
    trace.count('rebalance');
    const members = [...this.#members.keys()];
    for (const source of members) this.#members.set(source, []);
    const first = random.whole(0, 7);
    if (members.length > 0)
      for (let partition = 0; partition < partitions; partition++)
        this.#members.get(members[(chainOf(partition, chains) + first) % members.length]!)!.push(partition);
    for (const [source, assigned] of this.#members) {
      trace.tell(() => `group: generation ${this.generation} gives ${source.name} [${assigned.join(' ')}]`);
      source.joined(this.generation, assigned);
    }
  }

  /** As the broker does: the generation decides, not who has the partition. */
  commit(
    source: FakeSource,
    generation: number,
    commits: readonly (Omit<PartitionCommit, 'metadata'> & { metadata: string | null })[],
  ): void {
    if (!this.#members.has(source) || generation !== this.generation) throw new Error('ILLEGAL_GENERATION');
    for (const { partition, offset, metadata } of commits) {
      if (metadata !== null) this.world.oracle.committed(partition, offset, metadata);
      this.world.trace.tell(() => `group: ${source.name} commits ${partition}@${offset} ${metadata ?? '(kafkajs)'}`);
      this.commits.set(partition, { offset, metadata });
    }
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  committed(): Map<number, Commit> {
    const answer = new Map<number, Commit>();
    // The admin client reads -1 as "nothing was ever committed".
    for (let partition = 0; partition < this.world.partitions; partition++) {
      const commit = this.commits.get(partition);
      answer.set(partition, commit && commit.offset !== -1 ? commit : { offset: null, metadata: null });
    }
    return answer;
  }
}
