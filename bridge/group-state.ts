import type { TopicRef } from '../contracts/event-key.ts';
import type { LedgerEnds, NewestEpoch } from './ledger-ends.ts';
import { decodeCommitMetadata, encodeCommitMetadata, type CommitMetadata } from './commit-metadata.ts';
import { boundsOf } from './log-bounds.ts';
import { HaltError } from './work-status.ts';
import type { Source } from '../kafka/source.ts';
import type { Starter } from '../temporal/starter.ts';

export interface GroupStateOptions {
  /** Its epoch is the least that may be; see `GroupState.topic`. */
  topic: TopicRef;
  /** The number of chains that the pipeline declares. */
  chains: number;
  /** `earliest`, `latest` or an ISO time: where a topic begins that was never begun before. */
  startAt: string;
}

export interface GroupStatePorts {
  source: Source;
  starter: Pick<Starter, 'lastLayout'>;
  ledgerEnds: LedgerEnds;
  newestEpoch: NewestEpoch;
  log: { error(message: string): void };
}

/** A commit of ours, of the epoch and the layout of now. */
export interface TrustedCommit extends CommitMetadata {
  offset: number;
}

/** Nobody waits for the answer but one assignment, and a busy server may have many runs to look through. */
export const lookUpDeadlineMs = 30_000;

/**
 * What an assignment knows of its consumer group; one for all its chains, each part asked for once. `startAt` is about a topic that is begun for
 * the first time: the first positions of all its partitions are then committed in one request, before anything is started. So a partition
 * that has none although others have was added to the topic later: it begins at its earliest record, whatever `startAt` says.
 */
export class GroupState {
  readonly #ports: GroupStatePorts;
  readonly #options: GroupStateOptions;
  /** Whatever the group holds for each partition. */
  readonly #committed = onceUntilItFails(() => this.#ports.source.committed());
  readonly #begun = onceUntilItFails(() => this.#begin());
  /**
   * Asked once, as the commits are: an assignment that stood still would else put old commits together with new runs of its successor, and
   * take a partition of a topic that was just begun for one that was added to it.
   */
  readonly #lastLayout = onceUntilItFails(async () =>
    this.#ports.starter.lastLayout(await this.topic(), lookUpDeadlineMs),
  );
  /** The topic in its epoch of now: the highest that the group has committed, or the ledger knows, or the bridge was given. */
  readonly topic = onceUntilItFails(() => this.#findTopic());
  /** Throws a HaltError when the pipeline does not fit to what the group has done so far. */
  readonly layout = onceUntilItFails(() => this.#findLayout());
  /** Where the ranges of each partition end. */
  readonly ledgerEnds = onceUntilItFails(async () => this.#ports.ledgerEnds(await this.topic()));

  constructor(ports: GroupStatePorts, options: GroupStateOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Commits of ours. What others have committed, or we in another epoch or layout, says nothing of where to go on. */
  readonly trusted = onceUntilItFails(() => this.#findTrusted());

  /** Where a partition begins that no batch and no commit of ours knows. */
  async firstPosition(partition: number): Promise<number> {
    // Then no partition has to wait for the leaders of the others.
    const first = this.#options.startAt === 'earliest' ? undefined : (await this.#begun()).get(partition);
    return first ?? (await boundsOf(this.#ports.source, partition)).start;
  }

  async #findTrusted(): Promise<Map<number, TrustedCommit>> {
    const layout = await this.layout();
    const { epoch, topic } = await this.topic();
    const trusted = new Map(
      [...(await this.#ours())].filter(([, commit]) => commit.epoch === epoch && commit.layout === layout),
    );
    const others = [...(await this.#committed())].filter(
      ([partition, { offset }]) => offset !== null && !trusted.has(partition),
    );
    if (others.length > 0)
      this.#ports.log.error(
        `the commit of ${topic}, partition ${others.map(([partition]) => partition).join(', ')}, is not used, because it is not that of a bridge in this epoch and layout: the partition goes on behind the last run of its chain, else behind the range ledger, else from its earliest record`,
      );
    return trusted;
  }

  async #ours(): Promise<Map<number, TrustedCommit>> {
    const ours = new Map<number, TrustedCommit>();
    for (const [partition, { offset, metadata }] of await this.#committed()) {
      const decoded = decodeCommitMetadata(metadata);
      if (decoded && offset !== null && offset >= 0) ours.set(partition, { ...decoded, offset });
    }
    return ours;
  }

  async #findTopic(): Promise<TopicRef> {
    const { topic } = this.#options;
    const committed = [...(await this.#ours()).values()].map(({ epoch }) => epoch);
    // Kafka forgets the commits of a group that was away for a week.
    const known = committed.length > 0 ? committed : [(await this.#ports.newestEpoch(topic)) ?? 0];
    return { ...topic, epoch: Math.max(topic.epoch, ...known) };
  }

  async #findLayout(): Promise<number> {
    const { chains } = this.#options;
    const topic = await this.topic();
    const ours = [...(await this.#ours()).values()];
    const known =
      newestLayout(ours.filter(({ epoch }) => epoch === topic.epoch)) ??
      (await this.#lastLayout()) ??
      newestLayout([...(await this.ledgerEnds()).values()].map(({ layout }) => ({ layout, chains })));
    if (known && known.chains !== chains)
      throw new HaltError(
        `the batches of ${topic.topic} are in ${known.chains} chains, and the pipeline says ${chains}: write chains: ${known.chains} into its topic, or stop the bridges and run headrace chains set ${chains} --pipeline ${topic.pipeline}`,
      );
    return known?.layout ?? 0;
  }

  /** Commits the first positions of all partitions of a topic that nobody has begun; none when it was begun. */
  async #begin(): Promise<Map<number, number>> {
    const { source } = this.#ports;
    const { chains, startAt } = this.#options;
    if (await this.#isBegun()) return new Map();
    const topic = await this.topic();
    const positions = await resolveStartAt(source, startAt);
    const layout = await this.layout();
    const metadata = encodeCommitMetadata({ epoch: topic.epoch, layout, chains, first: true });
    await source.commitAll([...positions].map(([partition, offset]) => ({ partition, offset, metadata })));
    return positions;
  }

  async #isBegun(): Promise<boolean> {
    // Also by a commit that is not ours any more: only a consumer of this group makes one.
    if ([...(await this.#committed()).values()].some(({ offset }) => offset !== null)) return true;
    // Kafka forgets the commits of a group that was away for a week: the runs, and the ledger, still know.
    if (await this.#lastLayout()) return true;
    return (await this.ledgerEnds()).size > 0;
  }
}

function newestLayout(
  known: readonly { layout: number; chains: number }[],
): { layout: number; chains: number } | undefined {
  return known.toSorted((a, b) => b.layout - a.layout)[0];
}

/** Where each partition of a topic begins that is new to us. All begin together, so all leaders have to answer. */
async function resolveStartAt(source: Source, startAt: string): Promise<Map<number, number>> {
  const positions = new Map<number, number>();
  for (const [partition, ends] of await source.bounds()) {
    if (ends instanceof Error) throw ends;
    positions.set(partition, startAt === 'latest' ? ends.end : await source.offsetAt(partition, Date.parse(startAt)));
  }
  return positions;
}

/** One answer for all who ask; after a failed attempt the next one who asks makes another. */
function onceUntilItFails<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask();
    const asked = answer;
    asked.catch(() => {
      if (answer === asked) answer = undefined;
    });
    return asked;
  };
}
