import { messageOf } from '../contracts/failures.ts';
import { chainOf, partitionOf } from '../contracts/event-key.ts';
import type { PartitionState } from '../contracts/partition-state.ts';
import { Chain, type ChainOptions, type ChainPorts } from './chain.ts';
import { GroupState } from './group-state.ts';
import type { LedgerEnds, NewestEpoch } from './ledger-ends.ts';
import { LogWatch } from './log-watch.ts';
import type { Source } from '../kafka/source.ts';
import { stopping } from '../contracts/timeouts.ts';

export interface PipelineBridgeOptions extends Omit<ChainOptions, 'chain' | 'laneBytesMax'> {
  /** Bytes that all lanes hold together, at most; and a single one. */
  laneBytesMax: { all: number; each: number };
  /** `earliest`, `latest` or an ISO time: where a topic begins that was never begun before. */
  startAt: string;
}

export interface PipelineBridgePorts extends Omit<ChainPorts, 'source'> {
  ledgerEnds: LedgerEnds;
  newestEpoch: NewestEpoch;
  /** A new consumer; called again when one ended for good. */
  createSource(): Source;
  log: { info(message: string): void; error(message: string): void };
}

const lagPollMs = 2_000;
const stalledMsMax = 60_000;
const rebuildMsMax = 10_000;
const stopMsMax = 10_000;
const tellEveryMs = 10_000;

/**
 * The bridge of one pipeline: a consumer, and a `Chain` for each chain that the group has given to this process. Every
 * assignment begins anew: what was in memory is dropped, and read again from the committed position.
 */
export class PipelineBridge {
  #chains: readonly Chain[] = [];
  /** The chain of each assigned partition. */
  #byPartition = new Map<number, Chain>();
  #source: Source | undefined;
  #failures = 0;
  readonly #logs: LogWatch;
  /** When each partition last moved or had nothing that may be read: an open transaction is nothing that a new consumer would help. Its position is undefined until the first one is found. */
  readonly #progressMs = new Map<number, { position: number | undefined; atMs: number }>();
  /** When it was last told that the end of a partition's log is unknown. */
  readonly #toldMs = new Map<number, number>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(
    protected readonly ports: PipelineBridgePorts,
    protected readonly options: PipelineBridgeOptions,
  ) {
    this.#logs = new LogWatch(ports.clock);
  }

  /** How each partition stands that the group has given to this process. */
  states(wallMs: number = Date.now()): PartitionState[] {
    const { pipeline, topic } = this.options.topic;
    return [...this.#byPartition].map(([partition, chain]) =>
      this.#logs.state({ pipeline, topic, partition }, chain.standing(partition), wallMs),
    );
  }

  /** Joins the group. Resolves once the consumer runs. */
  async start(): Promise<void> {
    await this.#startSource();
    this.#running = this.#watch();
  }

  /** Finishes the starts that are under way, commits, and leaves the group. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const chains = this.#chains;
    await Promise.race([Promise.all(chains.map((chain) => chain.drain())), this.ports.clock.sleep(stopping.drainMs)]);
    for (const chain of chains) this.#abandon(chain);
    await this.#source?.stop();
    await this.#running;
  }

  async #startSource(): Promise<void> {
    const source = this.ports.createSource();
    this.#source = source;
    await source.start({
      assigned: (partitions) => this.#assigned(source, partitions),
      fetched: (fetch) =>
        (source === this.#source &&
          this.#byPartition.get(fetch.partition)?.partitions.get(fetch.partition)?.fetched(fetch)) ||
        false,
      wantsMore: () => source === this.#source && this.#chains.some((chain) => chain.wantsMore),
      crashed: (error) => this.#rebuildLater(source, messageOf(error)),
    });
  }

  /** Synchronous: nothing of the old assignment may have an effect once the new one is known. */
  #assigned(source: Source, partitions: readonly number[]): void {
    if (source !== this.#source || this.#stopping.signal.aborted) return;
    for (const chain of this.#chains) this.#abandon(chain);
    for (const partition of this.#byPartition.keys())
      if (!partitions.includes(partition)) this.ports.reports.revoked(partitionOf(this.options.topic, partition));
    this.#progressMs.clear();
    this.#logs.clear();
    const { topic, chains, startAt } = this.options;
    const { starter, ledgerEnds, newestEpoch, log } = this.ports;
    const group = new GroupState({ source, starter, ledgerEnds, newestEpoch, log }, { topic, chains, startAt });
    this.#chains = [...new Set(partitions.map((partition) => chainOf(partition, chains)))].map((number) => {
      const theirs = partitions.filter((partition) => chainOf(partition, chains) === number);
      const chain: Chain = this.createChain(source, number, theirs, () => this.#chains.includes(chain));
      return chain;
    });
    this.#byPartition = new Map(
      this.#chains.flatMap((chain) => [...chain.partitions.keys()].map((partition) => [partition, chain])),
    );
    for (const chain of this.#chains) chain.run(group).catch((error: unknown) => this.#unexpected(error));
  }

  /** What `source` is told by a chain has an effect only while the chain is a current one. */
  protected createChain(source: Source, chain: number, partitions: readonly number[], isCurrent: () => boolean): Chain {
    const { laneBytesMax, ...options } = this.options;
    return new Chain({ ...this.ports, source: fenced(source, isCurrent) }, partitions, {
      ...options,
      chain,
      laneBytesMax: () => Math.min(laneBytesMax.each, laneBytesMax.all / this.#byPartition.size),
    });
  }

  /** Makes a new consumer in place of one that ended for good, or that gets nowhere. */
  async #rebuild(dead: Source, reason: string): Promise<void> {
    if (dead !== this.#source || this.#stopping.signal.aborted) return;
    this.#source = undefined;
    this.ports.log.error(`the consumer of ${this.options.topic.topic} is built anew: ${reason}`);
    for (const chain of this.#chains) this.#abandon(chain);
    this.#chains = [];
    this.#byPartition.clear();
    await this.#stopOld(dead);
    while (!this.#stopping.signal.aborted) {
      await this.ports.clock.sleep(
        Math.min(rebuildMsMax, 250 * 2 ** Math.min(this.#failures++, 6)),
        this.#stopping.signal,
      );
      if (this.#stopping.signal.aborted) return;
      try {
        await this.#startSource();
        return;
      } catch (error) {
        this.ports.log.error(`the consumer of ${this.options.topic.topic} does not start: ${messageOf(error)}`);
        const failed = this.#source as Source | undefined;
        this.#source = undefined;
        if (failed) await this.#stopOld(failed);
      }
    }
  }

  #rebuildLater(dead: Source, reason: string): void {
    this.#rebuild(dead, reason).catch((error: unknown) => this.#unexpected(error));
  }

  /** Stops a consumer that is of no use any more. One that does not end, as kafkajs can when a broker is silent, is left behind. */
  async #stopOld(source: Source): Promise<void> {
    const stopped = source
      .stop()
      .then(() => true)
      .catch((error: unknown) => {
        this.ports.log.error(`stopping the old consumer: ${messageOf(error)}`);
        return true;
      });
    const isStopped = await Promise.race([
      stopped,
      this.ports.clock.sleep(stopMsMax, this.#stopping.signal).then(() => false),
    ]);
    if (!isStopped)
      this.ports.log.error(
        `the old consumer of ${this.options.topic.topic} did not end within ${stopMsMax / 1_000} s and is left behind`,
      );
  }

  #abandon(chain: Chain): void {
    chain.abandon().catch((error: unknown) => this.#unexpected(error));
  }

  #unexpected(error: unknown): void {
    this.ports.log.error(`unexpected: ${messageOf(error)}`);
  }

  /** Looks at how far the logs go, and rebuilds a consumer that leaves records lying for a minute. A leader that is away hides no other partition. */
  async #watch(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.ports.clock.sleep(lagPollMs, this.#stopping.signal);
      const source = this.#source;
      if (!source || this.#stopping.signal.aborted) continue;
      const bounds = await source
        .bounds()
        .catch((error: unknown) => (error instanceof Error ? error : new Error(messageOf(error))));
      if (!(bounds instanceof Error)) this.#failures = 0;
      await Promise.all(
        [...this.#byPartition].map(async ([number, chain]) => {
          const ofThis =
            bounds instanceof Error ? bounds : (bounds.get(number) ?? new Error('the brokers do not know it yet'));
          await this.#logs.note(source, number, ofThis, chain.standing(number));
          if (this.#byPartition.get(number) !== chain) return;
          if (ofThis instanceof Error) this.#tellUnknown(number, ofThis);
          else this.#checkProgress(source, number, chain, ofThis.end);
        }),
      );
    }
  }

  #tellUnknown(partition: number, reason: Error): void {
    const nowMs = this.ports.clock.nowMs();
    if (nowMs - (this.#toldMs.get(partition) ?? -Infinity) < tellEveryMs) return;
    this.#toldMs.set(partition, nowMs);
    this.ports.log.error(
      `the end of the log of ${this.options.topic.topic}-${partition} is unknown: ${messageOf(reason)}`,
    );
  }

  #checkProgress(source: Source, number: number, chain: Chain, logEnd: number): void {
    const position = this.#logs.doneBelow(number, chain.standing(number));
    const hasMore = position === undefined || position < logEnd;
    const nowMs = this.ports.clock.nowMs();
    const last = this.#progressMs.get(number);
    if (!last || last.position !== position || !hasMore || chain.isWaiting(number)) {
      this.#progressMs.set(number, { position, atMs: nowMs });
    } else if (nowMs - last.atMs > stalledMsMax) {
      this.#progressMs.clear();
      const what =
        position === undefined
          ? 'has not found where to begin'
          : `has ${logEnd - position} records waiting and has not moved`;
      this.#rebuildLater(source, `partition ${number} ${what} for ${stalledMsMax / 1_000} s`);
    }
  }
}

/** A source whose effects on the group end with the assignment: kafkajs would send a late commit under the new generation. */
function fenced(source: Source, isCurrent: () => boolean): Source {
  return {
    start: (handlers) => source.start(handlers),
    stop: () => source.stop(),
    committed: () => source.committed(),
    commitAll: async (commits) => (isCurrent() ? source.commitAll(commits) : undefined),
    bounds: () => source.bounds(),
    offsetAt: (partition, timeMs) => source.offsetAt(partition, timeMs),
    firstRecord: (partition, offset) => source.firstRecord(partition, offset),
    timeAt: (partition, offset) => source.timeAt(partition, offset),
    poll: () => source.poll(),
    pause: (partition) => void (isCurrent() && source.pause(partition)),
    resume: (partition) => void (isCurrent() && source.resume(partition)),
    seek: (partition, offset) => void (isCurrent() && source.seek(partition, offset)),
    commit: async (commits) => (isCurrent() ? source.commit(commits) : undefined),
  };
}
